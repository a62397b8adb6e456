"use strict";
// Shared by the page's scripts. Everything that shows text of the run goes through textContent (in
// D3: .text()); nothing here or elsewhere builds markup out of strings.
//
// The data (chart_data.cc), times in µs since the start of the run:
//   begin, end            the run
//   ops                   [index, completion, begin, end, process, type, f, node, value, result,
//                         error]; type 0 ok, 1 fail, 2 info, 3 open; texts by number in `texts`
//   total, complete       how many ops the run has, and whether all are embedded
//   moments               [{label, anomaly, from, to}], the stretches worth a look
//   anomalies             [{title, ops: [index of invocation]}]
//   buckets               {width, ok, fail, info}: completions per bucket
//   latency               [{group, p50, p95, p99, max}]: µs or null per bucket
//   faults, fault-total   [{name, summary, state, requested, from, to}]; -1: did not happen
//   heal-all, probes      when all was healed; how many status probes are left out
const gd = {};

gd.data = JSON.parse(document.getElementById("data").textContent);
gd.types = ["ok", "fail", "info", "open"];
gd.typeWords = ["ok: happened", "fail: did not happen", "info: may have happened", "open: never answered"];

gd.el = function (tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

gd.count = function (n) { return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ","); };

gd.second = function (us, digits) {
  return (us / 1e6).toFixed(digits === undefined ? 3 : digits) + " s";
};

gd.length = function (us) {
  if (us < 1000) return Math.round(us) + " µs";
  if (us < 1e5) return (us / 1e3).toFixed(1) + " ms";
  if (us < 1e6) return Math.round(us / 1e3) + " ms";
  return (us / 1e6).toFixed(2) + " s";
};

// The ops as objects, once.
gd.ops = gd.data.ops.map(function (row) {
  const text = function (n) { return gd.data.texts[n]; };
  return {
    index: row[0], completion: row[1], begin: row[2], end: row[3] < 0 ? gd.data.end : row[3],
    answered: row[3] >= 0, process: row[4], type: row[5], f: text(row[6]), node: text(row[7]),
    value: text(row[8]), result: text(row[9]), error: text(row[10])
  };
}).sort(function (a, b) { return a.begin - b.begin || a.index - b.index; });

// The time axis: as many decimals as its steps need, and only labels that fit.
gd.timeAxis = function (x, width) {
  const scale = d3.scale.linear().domain(x.domain().map(function (t) { return t / 1e6; })).range(x.range());
  const n = Math.max(2, Math.floor(width / 90));
  const ticks = scale.ticks(n);
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  const digits = Math.max(0, Math.min(6, Math.ceil(-Math.log(step) / Math.LN10 - 1e-9)));
  return d3.svg.axis().scale(scale).orient("bottom").tickValues(ticks).tickSize(6, 0)
    .tickFormat(function (t) { return t.toFixed(digits) + " s"; });
};

// An svg element that keeps its shape on paper and on narrow screens.
gd.svg = function (parent, width, height, label) {
  const svg = d3.select(parent).append("svg")
    .attr("width", width).attr("height", height)
    .attr("viewBox", "0 0 " + width + " " + height)
    .attr("role", "img").attr("aria-label", label);
  const defs = svg.append("defs");
  const id = "p" + (gd.svg.count = (gd.svg.count || 0) + 1);
  const pattern = function (name, size) {
    return defs.append("pattern").attr("id", id + name).attr("class", "pattern-" + name)
      .attr("width", size).attr("height", size).attr("patternUnits", "userSpaceOnUse");
  };
  const fail = pattern("fail", 6);
  fail.append("rect").attr("width", 6).attr("height", 6);
  fail.append("path").attr("d", "M-1,1L1,-1M0,6L6,0M5,7L7,5");
  const info = pattern("info", 5);
  info.append("rect").attr("width", 5).attr("height", 5);
  info.append("circle").attr("cx", 2.5).attr("cy", 2.5).attr("r", 1.1);
  svg.fillOf = function (type) {
    return type === "fail" || type === "info" ? "url(#" + id + type + ")" : null;
  };
  return svg;
};

// Faults that have been in force, each with the row of the strip in which it does not overlap.
gd.faults = (function () {
  const rows = [];
  return gd.data.faults.filter(function (fault) { return fault.from >= 0; }).map(function (fault) {
    const end = fault.to < 0 ? gd.data.end : fault.to;
    let row = 0;
    while (row < rows.length && rows[row] > fault.from) ++row;
    rows[row] = end;
    return {
      name: fault.name, summary: fault.summary, state: fault.state, requested: fault.requested,
      from: fault.from, to: end, healed: fault.to >= 0, row: row
    };
  });
})();
gd.faultRows = Math.min(6, gd.faults.reduce(function (n, fault) { return Math.max(n, fault.row + 1); }, 0));

// The faults of a stretch, and the room that their labelled bars need above a chart.
gd.faultsWithin = function (from, to) {
  return gd.faults.filter(function (fault) {
    return fault.row < gd.faultRows && fault.to >= from && fault.from <= to;
  });
};
gd.stripHeight = function (from, to) {
  const rows = d3.max(gd.faultsWithin(from, to), function (fault) { return fault.row + 1; }) || 0;
  return rows * 20 + (rows ? 6 : 0);
};

gd.faultCap = function () {
  const total = gd.data["fault-total"], shown = gd.data.faults.length;
  let text = total > shown ? "Showing the first " + shown + " of " + gd.count(total) + " faults. " : "";
  if (gd.faults.some(function (fault) { return fault.row >= gd.faultRows; }))
    text += "More than " + gd.faultRows + " faults overlap at times: the others are in the table. ";
  return text;
};

// The labelled bars above a chart, and the bands behind it.
gd.drawFaults = function (svg, x, top, plotTop, plotBottom) {
  const range = x.range(), domain = x.domain();
  const visible = gd.faultsWithin(domain[0], domain[1]);
  const from = function (fault) { return Math.max(range[0], x(fault.from)); };
  const width = function (fault) { return Math.max(2, Math.min(range[1], x(fault.to)) - from(fault)); };
  const bands = svg.append("g").attr("class", "bands");
  const strip = svg.append("g").attr("class", "strip");
  visible.forEach(function (fault) {
    const good = fault.state === "effective" ? "" : " flagged";
    const y = top + fault.row * 20;
    bands.append("rect").attr("class", "band").attr("x", from(fault)).attr("width", width(fault))
      .attr("y", plotTop).attr("height", plotBottom - plotTop);
    const bar = strip.append("rect").attr("class", "fault" + good).attr("x", from(fault))
      .attr("width", width(fault)).attr("y", y).attr("height", 16).attr("rx", 3);
    gd.hover(bar, function () { return gd.faultTip(fault); });
    gd.faultLabel(strip, fault, from(fault), width(fault), y, visible, x, range[1]);
  });
  gd.data["heal-all"].forEach(function (time) {
    if (time < domain[0] || time > domain[1]) return;
    bands.append("line").attr("class", "heal-all").attr("x1", x(time)).attr("x2", x(time))
      .attr("y1", plotTop).attr("y2", plotBottom);
    if (x(time) - range[0] > 70)
      bands.append("text").attr("class", "heal-label").attr("x", x(time) - 5).attr("y", plotTop + 11)
        .attr("text-anchor", "end").text("all healed");
  });
};

// Inside the bar, or behind it up to the next one; a label that fits neither is left out, not cut
// (the tooltip and the table have it). 6.6 px a character is an estimate.
gd.faultLabel = function (strip, fault, left, width, y, visible, x, right) {
  const next = d3.min(visible, function (other) {
    return other.row === fault.row && other.from > fault.from ? x(other.from) : right;
  });
  const long = fault.name + (fault.state === "effective" ? "" : " (" + fault.state + ")");
  const fits = function (text, room) { return text.length * 6.6 < room; };
  const inside = [long, fault.name].filter(function (text) { return fits(text, width - 10); })[0];
  const behind = [long, fault.name].filter(function (text) { return fits(text, next - left - width - 8); })[0];
  strip.append("text").attr("class", "fault-label").attr("y", y + 12)
    .attr("x", left + (inside ? 6 : width + 5)).text(inside || behind || "");
};

gd.faultTip = function (fault) {
  return [
    ["", fault.name + (fault.state === "effective" ? "" : " · " + fault.state)],
    ["", fault.summary],
    ["in force", gd.second(fault.from) + " – " + (fault.healed ? gd.second(fault.to) : "the end")]
  ];
};

// --- one tooltip for the page ---------------------------------------------------------------------

gd.tip = gd.el("div", "tip");
gd.tip.setAttribute("role", "status");
gd.tip.hidden = true;

// rows: [name, text] each; the first is the title.
gd.showTip = function (rows, clientX, clientY) {
  gd.tip.textContent = "";
  rows.forEach(function (row, i) {
    if (!row[1]) return;
    const line = gd.el("div", i === 0 ? "tip-title" : "tip-row");
    if (row[0]) line.appendChild(gd.el("span", "tip-name", row[0]));
    line.appendChild(gd.el("span", "tip-text", row[1]));
    gd.tip.appendChild(line);
  });
  gd.tip.hidden = false;
  const box = gd.tip.getBoundingClientRect(), page = document.documentElement;
  const left = Math.max(8, Math.min(clientX + 14, page.clientWidth - box.width - 8));
  const above = clientY - box.height - 12;
  gd.tip.style.left = left + window.pageXOffset + "px";
  gd.tip.style.top = (above > 8 ? above : clientY + 18) + window.pageYOffset + "px";
};

gd.hideTip = function () { gd.tip.hidden = true; };

gd.hover = function (selection, rows) {
  selection.on("mousemove", function () { gd.showTip(rows(), d3.event.clientX, d3.event.clientY); })
    .on("mouseleave", gd.hideTip);
};

gd.legend = function (items) {
  const list = gd.el("ul", "legend");
  items.forEach(function (item) {
    const entry = gd.el("li");
    entry.appendChild(gd.el("span", "swatch " + item[0]));
    entry.appendChild(gd.el("span", "", item[1]));
    list.appendChild(entry);
  });
  return list;
};

// Draws now, and again when the width changes.
gd.responsive = function (element, draw) {
  let last = 0;
  const redraw = function () {
    const width = Math.floor(element.clientWidth);
    if (width > 0 && width !== last) draw(last = width);
  };
  redraw();
  if (window.ResizeObserver) new ResizeObserver(redraw).observe(element);
  else window.addEventListener("resize", redraw);
};

