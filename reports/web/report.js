// Starts the page: charts, the copy button, the links from an anomaly to the timeline.

(function () {
  function copyButton() {
    const command = document.getElementById("command");
    if (!command) return;
    const button = gd.el("button", "copy", "Copy");
    button.type = "button";
    const said = function (text) {
      button.textContent = text;
      window.setTimeout(function () { button.textContent = "Copy"; }, 1500);
    };
    // Without the clipboard (an insecure origin) the command is selected, ready for Ctrl-C.
    const select = function () {
      window.getSelection().selectAllChildren(command);
      said("Selected");
    };
    button.addEventListener("click", function () {
      if (!navigator.clipboard) return select();
      navigator.clipboard.writeText(command.textContent).then(function () { said("Copied"); }, select);
    });
    command.parentNode.parentNode.appendChild(button);
  }

  function anomalyButtons() {
    document.querySelectorAll("details.anomaly").forEach(function (element) {
      const number = Number(element.dataset.anomaly);
      if (!gd.data.moments.some(function (moment) { return moment.anomaly === number; })) return;
      const button = gd.el("button", "to-timeline", "Show in the timeline");
      button.type = "button";
      button.addEventListener("click", function () {
        gd.timeline.showAnomaly(number);
        document.getElementById("timeline").scrollIntoView();
      });
      element.querySelector(".body").appendChild(button);
    });
  }

  document.body.appendChild(gd.tip);
  gd.timeline.start();
  gd.charts.start();
  copyButton();
  anomalyButtons();
  document.body.classList.add("scripted");
  // Paper has no folds.
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details.anomaly, details.fold").forEach(function (element) { element.open = true; });
  });
})();
