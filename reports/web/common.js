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
//   faults, fault-total   [{name, family, summary, state, requested, from, to}]; -1: did not happen
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

// Faults that have been in force.
gd.faults = gd.data.faults.filter(function (fault) { return fault.from >= 0; }).map(function (fault) {
  return {
    name: fault.name, family: fault.family, summary: fault.summary, state: fault.state,
    requested: fault.requested, from: fault.from, to: fault.to < 0 ? gd.data.end : fault.to, healed: fault.to >= 0
  };
}).sort(function (a, b) { return a.from - b.from; });
gd.faultRows = 6;

// The strip above a chart: the bars of a stretch in rows, so that neither bars nor labels overlap. A
// label stands inside its bar or behind it; where all rows are full, bars go without (the tooltip
// and the table have it). 6.6 px a character is an estimate.
gd.packFaults = function (from, to, width) {
  const free = [], ends = [], px = function (t) { return (t - from) / (to - from) * width; };
  const strip = { bars: [], rows: 0, dropped: 0 };
  gd.faults.forEach(function (fault) {
    if (fault.to < from || fault.from > to) return;
    const left = Math.max(0, px(fault.from)), right = Math.max(left + 2, Math.min(width, px(fault.to)));
    const long = fault.name + (fault.state === "effective" ? "" : " (" + fault.state + ")");
    const place = function (text) {
      const room = text.length * 6.6 + 10, inside = room <= right - left;
      const end = inside ? right : right + room;
      let row = 0;
      while (row < gd.faultRows && !(free[row] === undefined || free[row] <= left)) ++row;
      if (row === gd.faultRows || (text && end > width + 2)) return false;
      strip.bars.push({ fault: fault, left: left, width: right - left, row: row, text: text, inside: inside });
      free[row] = text ? end : right;
      ends[row] = right;
      return true;
    };
    if (place(long) || place(fault.name) || place("")) return;
    // A row whose bars have ended, whatever label is behind the last one.
    for (let row = 0; row < gd.faultRows; ++row) {
      if (ends[row] > left) continue;
      strip.bars.filter(function (bar) { return bar.row === row && !bar.inside && bar.left + bar.width <= left && free[row] > left; })
        .slice(-1).forEach(function (bar) { bar.text = ""; });
      strip.bars.push({ fault: fault, left: left, width: right - left, row: row, text: "", inside: true });
      free[row] = ends[row] = right;
      return;
    }
    ++strip.dropped;
  });
  strip.rows = Math.min(gd.faultRows, strip.bars.reduce(function (n, bar) { return Math.max(n, bar.row + 1); }, 0));
  strip.height = strip.rows * 20 + (strip.rows ? 6 : 0);
  return strip;
};

gd.faultCap = function () {
  const total = gd.data["fault-total"], shown = gd.data.faults.length;
  let text = total > shown ? "Showing the first " + shown + " of " + gd.count(total) + " faults. " : "";
  const crowd = gd.faults.some(function (fault) {
    return gd.faults.filter(function (other) { return other.from <= fault.from && other.to > fault.from; }).length > gd.faultRows;
  });
  if (crowd) text += "More than " + gd.faultRows + " faults overlap at times: the others are in the table. ";
  return text;
};

// The labelled bars above a chart, and the bands behind it.
gd.drawFaults = function (svg, x, strip, top, plotTop, plotBottom) {
  const start = x.range()[0], domain = x.domain();
  const bands = svg.append("g").attr("class", "bands");
  const bars = svg.append("g").attr("class", "strip");
  strip.bars.forEach(function (bar) {
    const fault = bar.fault, left = start + bar.left, y = top + bar.row * 20;
    const kind = " family-" + fault.family + (fault.state === "effective" ? "" : " flagged");
    bands.append("rect").attr("class", "band" + kind).attr("x", left).attr("width", bar.width)
      .attr("y", plotTop).attr("height", plotBottom - plotTop);
    const rect = bars.append("rect").attr("class", "fault" + kind).attr("x", left)
      .attr("width", bar.width).attr("y", y).attr("height", 16).attr("rx", 3);
    gd.hover(rect, function () { return gd.faultTip(fault); });
    bars.append("text").attr("class", "fault-label" + kind).attr("y", y + 12)
      .attr("x", left + (bar.inside ? 6 : bar.width + 5)).text(bar.text);
  });
  gd.data["heal-all"].forEach(function (time) {
    if (time < domain[0] || time > domain[1]) return;
    bands.append("line").attr("class", "heal-all").attr("x1", x(time)).attr("x2", x(time))
      .attr("y1", plotTop).attr("y2", plotBottom);
    if (x(time) - start > 70)
      bands.append("text").attr("class", "heal-label").attr("x", x(time) - 5).attr("y", plotTop + 11)
        .attr("text-anchor", "end").text("all healed");
  });
};

// The families that this run has, for a legend.
gd.families = function () {
  const names = { network: "network fault", process: "process fault", clock: "clock fault", disk: "disk fault",
    cluster: "membership fault", other: "fault in force" };
  return d3.set(gd.faults.map(function (fault) { return fault.family; })).values().sort().map(function (family) {
    return ["fault-band family-" + family, names[family]];
  });
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

