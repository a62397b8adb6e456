// The ops by process, around a moment of the run, with an overview of the whole run below.

gd.timeline = (function () {
  const kBars = 600, kLanes = 40, kLane = 22, kBar = 13;  // caps are announced in the caption
  const data = gd.data;
  const view = { from: data.begin, to: data.end, anomaly: -1, selected: -1 };
  const parts = {};
  let width = 0, bars = [];

  function cited() {
    const set = {};
    const list = view.anomaly >= 0 && data.anomalies[view.anomaly];
    if (list) list.ops.forEach(function (index) { set[index] = true; });
    return set;
  }

  function setWindow(from, to) {
    const least = 1000, whole = data.end - data.begin;
    const length = Math.max(least, Math.min(whole, to - from));
    view.from = Math.max(data.begin, Math.min(from, data.end - length));
    view.to = view.from + length;
    view.selected = -1;
    draw();
  }

  function showMoment(number) {
    const moment = data.moments[number];
    if (!moment) return;
    if (moment.anomaly >= 0 || data.anomalies.length === 0) view.anomaly = moment.anomaly;
    parts.select.value = String(number);
    setWindow(moment.from, moment.to);
  }

  // What is drawn of the window, and what had to be left out.
  function pick() {
    const marked = cited();
    const inside = gd.ops.filter(function (op) { return op.end >= view.from && op.begin <= view.to; });
    let chosen = inside;
    if (inside.length > kBars) {
      // Ops without a certain answer are few and matter most: they are kept while they are few.
      const unsure = inside.filter(function (op) { return op.type >= 2; }).length;
      const every = Math.ceil(inside.length / (kBars - Math.min(unsure, kBars / 2)));
      chosen = inside.filter(function (op, i) {
        return marked[op.index] || (op.type >= 2 && unsure <= kBars / 2) || i % every === 0;
      });
    }
    let lanes = d3.set(chosen.map(function (op) { return op.process; })).values().map(Number).sort(d3.ascending);
    const all = lanes.length;
    if (all > kLanes) {
      const wanted = {};
      chosen.forEach(function (op) { if (marked[op.index]) wanted[op.process] = true; });
      let free = kLanes - Object.keys(wanted).length;
      lanes = lanes.filter(function (lane) { return wanted[lane] || free-- > 0; });
      const kept = d3.set(lanes);
      chosen = chosen.filter(function (op) { return kept.has(op.process); });
    }
    return { ops: chosen, inside: inside.length, lanes: lanes, allLanes: all, marked: marked };
  }

  // How many ops the window really has, from the buckets of completions, when not all are embedded.
  function estimate() {
    const bucket = data.buckets;
    let sum = 0;
    for (let i = 0; i < bucket.ok.length; ++i) {
      const from = data.begin + i * bucket.width, to = from + bucket.width;
      const share = Math.max(0, Math.min(to, view.to) - Math.max(from, view.from)) / bucket.width;
      sum += share * (bucket.ok[i] + bucket.fail[i] + bucket.info[i]);
    }
    return Math.round(sum);
  }

  function caption(picked) {
    let text = gd.second(view.from) + " to " + gd.second(view.to) + ". ";
    if (data.complete) {
      text += "Showing " + gd.count(picked.ops.length) + " of " + gd.count(picked.inside) +
        " ops in this window; the run has " + gd.count(data.total) + ". ";
    } else {
      text += "Showing " + gd.count(picked.ops.length) + " of about " +
        gd.count(Math.max(picked.ops.length, estimate())) + " ops in this window; the run has " +
        gd.count(data.total) + ", of which this page holds " + gd.count(gd.ops.length) +
        " around the moments listed above (history.jsonl has all). ";
    }
    if (picked.allLanes > picked.lanes.length)
      text += "Showing " + picked.lanes.length + " of " + picked.allLanes + " processes. ";
    if (data.probes > 0) text += gd.count(data.probes) + " status probes are left out. ";
    parts.caption.textContent = text + gd.faultCap();
  }

  function opTip(op) {
    const took = op.answered ? "took " + gd.length(op.end - op.begin) : "never answered";
    return [
      ["", op.f + (op.value ? " " + op.value : "")],
      ["result", op.result],
      ["type", gd.typeWords[op.type]],
      ["error", op.error],
      ["process", op.process + (op.node ? " on " + op.node : "")],
      ["time", gd.second(op.begin) + ", " + took],
      ["index", op.index + (op.completion >= 0 ? " to " + op.completion : "")]
    ];
  }

  // The node of each process, where it is one and its name is short.
  function nodeOf(ops) {
    const nodes = {};
    ops.forEach(function (op) {
      if (nodes[op.process] === undefined) nodes[op.process] = op.node.length <= 6 ? op.node : "";
      else if (nodes[op.process] !== op.node) nodes[op.process] = "";
    });
    return nodes;
  }

  // A tint over all lanes while a cited op runs: its contemporaries are what explains it.
  function drawSpotlights(svg, picked, x, top, bottom) {
    const range = x.range();
    picked.ops.forEach(function (op) {
      if (!picked.marked[op.index]) return;
      const left = Math.max(range[0], x(op.begin)), right = Math.min(range[1], x(op.end));
      svg.append("rect").attr("class", "spotlight").attr("x", left).attr("width", Math.max(3, right - left))
        .attr("y", top).attr("height", bottom - top);
    });
  }

  function drawBars(svg, picked, x, top) {
    const lane = {};
    picked.lanes.forEach(function (process, i) { lane[process] = top + i * kLane; });
    const range = x.range(), free = {};
    bars = [];
    // Cited ops last, so that nothing covers them.
    const ordered = picked.ops.slice().sort(function (a, b) {
      return (picked.marked[a.index] ? 1 : 0) - (picked.marked[b.index] ? 1 : 0) || a.begin - b.begin;
    });
    const layer = svg.append("g");
    ordered.forEach(function (op) {
      const type = gd.types[op.type], isCited = !!picked.marked[op.index];
      const left = Math.max(range[0], x(op.begin)), right = Math.min(range[1], x(op.end));
      const y = lane[op.process] + (kLane - kBar) / 2, w = Math.max(3, right - left);
      const bar = layer.append("rect").attr("class", "op " + type + (isCited ? " cited" : ""))
        .attr("x", left).attr("width", w).attr("y", y).attr("height", kBar).attr("rx", 2);
      const fill = svg.fillOf(type);
      if (fill) bar.attr("fill", fill);
      gd.hover(bar, function () { return opTip(op); });
      bars.push({ op: op, node: bar.node() });
      if (isCited) label(layer, op, left, w, y, x, free);
    });
    bars.sort(function (a, b) { return a.op.begin - b.op.begin; });
  }

  // The name of a cited op beside its bar, where there is room in the lane.
  function label(layer, op, left, w, y, x, free) {
    const range = x.range();
    let text = op.f + (op.value ? " " + op.value : "");
    if (text.length > 28) text = text.slice(0, 27) + "…";
    const room = text.length * 6.6 + 12;
    const next = d3.min(gd.ops, function (other) {
      return other.process === op.process && other.begin > op.begin ? x(other.begin) : Infinity;
    });
    const fits = left + w + room < range[1];
    const after = fits && (left + w + room < next || left - room < range[0]);
    const begin = after ? left + w + 5 : left - 5 - room;
    if (begin < range[0] || begin < (free[op.process] || 0)) return;
    free[op.process] = begin + room;
    layer.append("text").attr("class", "cited-label").attr("y", y + kBar - 2)
      .attr("x", after ? left + w + 5 : left - 5).attr("text-anchor", after ? "start" : "end").text(text);
  }

  function draw() {
    if (!width) return;
    const picked = pick();
    parts.plot.textContent = "";
    const left = width < 560 ? 34 : 92, right = width - 10;
    const strip = gd.packFaults(view.from, view.to, right - left), top = strip.height + 4;
    const bottom = top + Math.max(2, picked.lanes.length) * kLane;
    const svg = gd.svg(parts.plot, width, bottom + 30, "Ops by process, " + picked.ops.length + " shown");
    const x = d3.scale.linear().domain([view.from, view.to]).range([left, right]);
    gd.drawFaults(svg, x, strip, 0, top, bottom);
    const nodes = nodeOf(picked.ops);
    picked.lanes.forEach(function (process, i) {
      const y = top + i * kLane;
      svg.append("line").attr("class", "lane").attr("x1", left).attr("x2", right)
        .attr("y1", y + kLane / 2).attr("y2", y + kLane / 2);
      svg.append("text").attr("class", "lane-label").attr("x", left - 8).attr("y", y + kLane / 2 + 4)
        .attr("text-anchor", "end").text(width < 560 ? process : (nodes[process] || "process") + " · " + process);
    });
    if (picked.lanes.length === 0)
      svg.append("text").attr("class", "empty").attr("x", left + 8).attr("y", top + 27)
        .text("No op of this stretch is embedded in this page.");
    svg.append("g").attr("class", "axis").attr("transform", "translate(0," + bottom + ")")
      .call(gd.timeAxis(x, right - left));
    drawSpotlights(svg, picked, x, top, bottom);
    drawBars(svg, picked, x, top);
    drawOverview(left, right);
    caption(picked);
  }

  // The whole run: its rate, its faults, and the window as a brush.
  function drawOverview(left, right) {
    parts.overview.textContent = "";
    const height = 46, bucket = data.buckets;
    const svg = gd.svg(parts.overview, width, height + 28, "The whole run, with the window that is shown above");
    const x = d3.scale.linear().domain([data.begin, data.end]).range([left, right]);
    const sums = bucket.ok.map(function (n, i) { return n + bucket.fail[i] + bucket.info[i]; });
    const y = d3.scale.linear().domain([0, d3.max(sums) || 1]).range([height, 6]);
    const area = d3.svg.area().interpolate("step-after").y0(height).y1(function (n) { return y(n); })
      .x(function (n, i) { return Math.min(right, x(data.begin + i * bucket.width)); });
    gd.faults.forEach(function (fault) {
      svg.append("rect").attr("class", "band family-" + fault.family).attr("x", x(fault.from)).attr("y", 0).attr("height", height)
        .attr("width", Math.max(1, x(fault.to) - x(fault.from)));
    });
    svg.append("path").attr("class", "volume").attr("d", area(sums.concat(sums.slice(-1))));
    const marked = cited();
    gd.ops.forEach(function (op) {
      if (!marked[op.index]) return;
      const at = x(op.begin);
      svg.append("path").attr("class", "flag").attr("d", "M" + (at - 4) + ",0h8l-4,6z");
      svg.append("line").attr("class", "flag").attr("x1", at).attr("x2", at).attr("y1", 0).attr("y2", height);
    });
    svg.append("g").attr("class", "axis").attr("transform", "translate(0," + height + ")")
      .call(gd.timeAxis(x, right - left));
    const brush = d3.svg.brush().x(x).extent([view.from, view.to]);
    brush.on("brushend", function () {
      const extent = brush.extent();
      const middle = extent[0], length = view.to - view.from;
      if (brush.empty()) setWindow(middle - length / 2, middle + length / 2);
      else setWindow(extent[0], extent[1]);
    });
    const group = svg.append("g").attr("class", "brush").call(brush);
    group.selectAll("rect").attr("y", 0.5).attr("height", height - 1);
  }

  function select(step) {
    if (bars.length === 0) return;
    const last = bars.length - 1;
    const first = bars.findIndex(function (bar) { return bar.node.classList.contains("cited"); });
    const next = view.selected < 0 ? Math.max(0, first) : view.selected + step;
    if (view.selected >= 0 && bars[view.selected]) bars[view.selected].node.classList.remove("selected");
    view.selected = Math.max(0, Math.min(last, next));
    const bar = bars[view.selected];
    bar.node.classList.add("selected");
    const box = bar.node.getBoundingClientRect();
    gd.showTip(opTip(bar.op), Math.max(0, box.left), box.top);
  }

  function onKey(event) {
    if (event.key === "ArrowRight") select(1);
    else if (event.key === "ArrowLeft") select(-1);
    else if (event.key === "+" || event.key === "=") zoom(0.5);
    else if (event.key === "-") zoom(2);
    else if (event.key === "Escape") gd.hideTip();
    else return;
    event.preventDefault();
  }

  function zoom(factor) {
    const middle = (view.from + view.to) / 2, half = (view.to - view.from) * factor / 2;
    setWindow(middle - half, middle + half);
  }

  function shift(share) {
    const by = (view.to - view.from) * share;
    setWindow(view.from + by, view.to + by);
  }

  function controls() {
    const box = gd.el("div", "controls");
    const name = gd.el("label", "", "Show ");
    parts.select = gd.el("select");
    let group = null, key = null;
    data.moments.forEach(function (moment, i) {
      const title = moment.anomaly >= 0 ? "Anomaly " + (moment.anomaly + 1) : "Faults and others";
      if (title !== key) {
        group = gd.el("optgroup");
        group.label = key = title;
        parts.select.appendChild(group);
      }
      const option = gd.el("option", "", moment.label);
      option.value = String(i);
      group.appendChild(option);
    });
    parts.select.addEventListener("change", function () { showMoment(Number(parts.select.value)); });
    name.appendChild(parts.select);
    box.appendChild(name);
    const buttons = gd.el("div", "buttons");
    [["←", "Earlier", function () { shift(-0.5); }], ["→", "Later", function () { shift(0.5); }],
     ["+", "Zoom in", function () { zoom(0.5); }], ["−", "Zoom out", function () { zoom(2); }],
     ["Whole run", "", function () { setWindow(data.begin, data.end); }]].forEach(function (item) {
      const button = gd.el("button", "", item[0]);
      button.type = "button";
      if (item[1]) { button.title = item[1]; button.setAttribute("aria-label", item[1]); }
      button.addEventListener("click", item[2]);
      buttons.appendChild(button);
    });
    box.appendChild(buttons);
    return box;
  }

  function start() {
    const root = document.getElementById("timeline-chart");
    if (data.total === 0) {
      root.appendChild(gd.el("p", "note", "The history has no client op: there is nothing to draw."));
      return;
    }
    root.appendChild(controls());
    root.appendChild(gd.legend([["ok", "ok"], ["fail", "fail: did not happen"], ["info", "info: may have happened"],
      ["open", "never answered"], ["cited", "an op of the anomaly"]].concat(gd.families()).filter(function (item) {
        return item[0] !== "cited" || data.anomalies.length > 0;
      })));
    parts.plot = gd.el("div", "plot");
    parts.plot.tabIndex = 0;
    parts.plot.setAttribute("role", "application");
    parts.plot.setAttribute("aria-label",
      "Timeline. Left and right arrow go from op to op, plus and minus zoom, Escape closes the details.");
    parts.plot.addEventListener("keydown", onKey);
    parts.plot.addEventListener("blur", gd.hideTip);
    parts.overview = gd.el("div", "overview-plot");
    parts.caption = gd.el("p", "caption");
    root.appendChild(parts.plot);
    root.appendChild(parts.overview);
    root.appendChild(parts.caption);
    showMoment(0);
    gd.responsive(parts.plot, function (w) { width = w; draw(); });
  }

  function showAnomaly(number) {
    const at = data.moments.findIndex(function (moment) { return moment.anomaly === number; });
    if (at >= 0) showMoment(at);
    return at >= 0;
  }

  return { start: start, showAnomaly: showAnomaly };
})();

