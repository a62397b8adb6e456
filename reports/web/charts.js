// Rate and latency over the whole run.

gd.charts = (function () {
  const data = gd.data, bucket = data.buckets;
  const kHeight = 170, kQuantiles = ["max", "p99", "p95", "p50"];

  function frame(parent, width, label) {
    const left = 58, right = width - 12, strip = gd.packFaults(data.begin, data.end, right - left);
    const top = strip.height + 10, bottom = top + kHeight;
    const svg = gd.svg(parent, width, bottom + 30, label);
    const x = d3.scale.linear().domain([data.begin, data.end]).range([left, right]);
    gd.drawFaults(svg, x, strip, 0, top, bottom);
    svg.append("g").attr("class", "axis").attr("transform", "translate(0," + bottom + ")")
      .call(gd.timeAxis(x, right - left));
    return { svg: svg, x: x, left: left, right: right, top: top, bottom: bottom };
  }

  function valueAxis(chart, y, ticks, format) {
    const axis = d3.svg.axis().scale(y).orient("left").tickValues(ticks).tickFormat(format)
      .tickSize(-(chart.right - chart.left), 0);
    chart.svg.append("g").attr("class", "axis grid").attr("transform", "translate(" + chart.left + ",0)").call(axis);
  }

  // A line that follows the pointer, and the figures of its bucket.
  function crosshair(chart, rows) {
    const line = chart.svg.append("line").attr("class", "crosshair").attr("y1", chart.top).attr("y2", chart.bottom)
      .style("display", "none");
    chart.svg.append("rect").attr("class", "catcher").attr("x", chart.left).attr("y", chart.top)
      .attr("width", Math.max(0, chart.right - chart.left)).attr("height", chart.bottom - chart.top)
      .on("mousemove", function () {
        const time = chart.x.invert(d3.mouse(this)[0]);
        const i = Math.max(0, Math.min(bucket.ok.length - 1, Math.floor((time - data.begin) / bucket.width)));
        const at = chart.x(Math.min(data.end, data.begin + (i + 0.5) * bucket.width));
        line.attr("x1", at).attr("x2", at).style("display", null);
        const from = data.begin + i * bucket.width, digits = bucket.width < 1e5 ? 2 : 1;
        const title = gd.second(from, digits) + " – " + gd.second(from + bucket.width, digits);
        gd.showTip([["", title]].concat(rows(i)).concat(faultRows(from, from + bucket.width)),
          d3.event.clientX, d3.event.clientY);
      })
      .on("mouseleave", function () { line.style("display", "none"); gd.hideTip(); });
  }

  function faultRows(from, to) {
    const names = gd.faults.filter(function (fault) { return fault.from <= to && fault.to >= from; })
      .map(function (fault) { return fault.name; });
    return names.length ? [["faults", names.slice(0, 5).join(", ")]] : [];
  }

  function drawRate(parent, width) {
    parent.textContent = "";
    parent.appendChild(gd.el("h3", "", "Completed ops per second"));
    parent.appendChild(gd.legend([["ok", "ok"], ["fail", "fail"], ["info", "info"]]));
    const per = 1e6 / bucket.width;
    const tops = bucket.ok.map(function (n, i) { return (n + bucket.fail[i] + bucket.info[i]) * per; });
    const chart = frame(parent, width, "Completed ops per second over the run");
    const y = d3.scale.linear().domain([0, d3.max(tops) || 1]).nice(4).range([chart.bottom, chart.top]);
    valueAxis(chart, y, y.ticks(4), function (n) { return n === Math.round(n) ? gd.count(n) : String(n); });
    const step = chart.x(data.begin + bucket.width) - chart.x(data.begin), gap = step > 4 ? 1 : 0;
    const layer = chart.svg.append("g");
    bucket.ok.forEach(function (ignored, i) {
      let base = 0;
      gd.types.slice(0, 3).forEach(function (type) {
        const n = bucket[type][i] * per;
        if (n === 0) return;
        const left = chart.x(data.begin + i * bucket.width), right = Math.min(chart.right, left + step);
        const bar = layer.append("rect").attr("class", "op " + type).attr("x", left)
          .attr("width", Math.max(0.5, right - left - gap)).attr("y", y(base + n)).attr("height", y(base) - y(base + n));
        if (chart.svg.fillOf(type)) bar.attr("fill", chart.svg.fillOf(type));
        base += n;
      });
    });
    crosshair(chart, function (i) {
      return gd.types.slice(0, 3).map(function (type) {
        return [type, (bucket[type][i] * per).toFixed(1) + " ops/s"];
      });
    });
    parent.appendChild(gd.el("p", "caption", "By the time of completion, in steps of " + gd.length(bucket.width) + ". " +
      (data.probes > 0 ? gd.count(data.probes) + " status probes are left out. " : "") + gd.faultCap()));
  }

  // Only the stretches of a quantile that have ops; a gap in the line is a stretch without any.
  function quantileLine(chart, y, values) {
    return d3.svg.line().defined(function (v) { return v !== null; })
      .x(function (v, i) { return chart.x(Math.min(data.end, data.begin + (i + 0.5) * bucket.width)); })
      .y(function (v) { return y(Math.max(1, v)); })(values);
  }

  // A bucket between two empty ones has no line: it gets a dot.
  function lonely(values) {
    const points = [];
    values.forEach(function (v, i) {
      const has = function (j) { return values[j] !== null && values[j] !== undefined; };
      if (v !== null && !has(i - 1) && !has(i + 1)) points.push(i);
    });
    return points;
  }

  function drawLatency(parent, width, group, domain) {
    parent.appendChild(gd.el("h3", "", "Latency of " + group.group));
    parent.appendChild(gd.legend(kQuantiles.map(function (q) { return ["line-" + q, q]; })));
    const chart = frame(parent, width, "Latency quantiles of " + group.group + " over the run, on a log scale");
    const y = d3.scale.log().domain(domain).range([chart.bottom, chart.top]);
    const ticks = [];
    for (let t = domain[0]; t <= domain[1] * 1.0001; t *= 10) ticks.push(t);
    valueAxis(chart, y, ticks, function (us) {
      return us < 1000 ? us + " µs" : us < 1e6 ? us / 1e3 + " ms" : us / 1e6 + " s";
    });
    kQuantiles.forEach(function (q) {
      chart.svg.append("path").attr("class", "line line-" + q).attr("d", quantileLine(chart, y, group[q]));
      lonely(group[q]).forEach(function (i) {
        chart.svg.append("circle").attr("class", "dot line-" + q).attr("r", 2)
          .attr("cx", chart.x(data.begin + (i + 0.5) * bucket.width)).attr("cy", y(Math.max(1, group[q][i])));
      });
    });
    crosshair(chart, function (i) {
      return kQuantiles.map(function (q) { return [q, group[q][i] === null ? "no op" : gd.length(group[q][i])]; });
    });
  }

  function drawAllLatency(parent, width) {
    parent.textContent = "";
    if (data.latency.length === 0) {
      parent.appendChild(gd.el("p", "note", "No op completed with ok: there is no latency to show."));
      return;
    }
    let low = Infinity, high = 0;
    data.latency.forEach(function (group) {
      group.p50.forEach(function (v) { if (v !== null) low = Math.min(low, v); });
      group.max.forEach(function (v) { if (v !== null) high = Math.max(high, v); });
    });
    const power = function (v, round) { return Math.pow(10, round(Math.log(Math.max(1, v)) / Math.LN10 + 1e-9 * (round === Math.floor ? 1 : -1))); };
    const from = power(low, Math.floor), to = Math.max(from * 10, power(high, Math.ceil));
    data.latency.forEach(function (group) { drawLatency(parent, width, group, [from, to]); });
    parent.appendChild(gd.el("p", "caption", "Of ok ops, by the time of invocation, in steps of " + gd.length(bucket.width) +
      ", on a log scale. A gap is a stretch in which no op that succeeded began."));
  }

  function start() {
    const rate = document.getElementById("rate-chart"), latency = document.getElementById("latency-charts");
    if (data.total === 0) {
      rate.appendChild(gd.el("p", "note", "The history has no client op: there is nothing to draw."));
      return;
    }
    gd.responsive(rate, function (width) { drawRate(rate, width); });
    gd.responsive(latency, function (width) { drawAllLatency(latency, width); });
  }

  return { start: start };
})();

