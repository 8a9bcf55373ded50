// Values under the pointer, and the browser of programs. Everything a program wrote enters the page through
// textContent only.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const visible = (text) => String(text).replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g,
    (c) => "\u27e8U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "\u27e9");
  const number = (value) => {
    if (value === null || value === undefined) return "\u2013";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
    return String(Number(value.toPrecision(3))).replace("-", "\u2212");
  };

  // ---- Curves
  const figures = [...document.querySelectorAll(".chart")].map((figure) => ({
    figure, output: figure.querySelector("output"), cursor: figure.querySelector(".cursor"),
    svg: figure.querySelector("svg"), chart: data.charts[Number(figure.dataset.chart)],
  }));
  const nearest = (steps, step) => {
    let best = 0;
    steps.forEach((at, index) => { if (Math.abs(at - step) < Math.abs(steps[best] - step)) best = index; });
    return best;
  };
  const position = (chart, step) => {
    const first = chart.steps[0], span = Math.max(1, chart.steps[chart.steps.length - 1] - first);
    return chart.left + (step - first) / span * chart.width;
  };
  let shown = null;
  const show = (step) => {
    shown = step;
    for (const { output, cursor, chart } of figures) {
      if (step === null || !chart.steps.length) {
        output.textContent = "";
        cursor.classList.remove("on");
        continue;
      }
      const index = nearest(chart.steps, step);
      const x = position(chart, chart.steps[index]);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      cursor.classList.add("on");
      const values = chart.series.filter((series) => chart.series.length === 1 || series.values[index] > 0)
        .map((series) => (chart.series.length > 1 ? series.name + " " : "") + number(series.values[index]));
      output.textContent = values.join(" \u00b7 ") + "  @ " + chart.steps[index];
    }
  };
  for (const { figure, svg, chart } of figures) {
    const stepAt = (event) => {
      const box = svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      const first = chart.steps[0], last = chart.steps[chart.steps.length - 1];
      return first + (x - chart.left) / chart.width * (last - first);
    };
    svg.addEventListener("pointermove", (event) => show(stepAt(event)));
    svg.addEventListener("pointerleave", () => show(null));
    figure.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!move) return;
      event.preventDefault();
      const at = shown === null ? (move > 0 ? -1 : chart.steps.length) : nearest(chart.steps, shown);
      show(chart.steps[Math.min(chart.steps.length - 1, Math.max(0, at + move))]);
    });
    figure.addEventListener("blur", () => show(null));
  }

  // ---- Programs
  const browser = document.getElementById("programs");
  if (!browser || !data.trajectories.rows.length) return;
  const { rows, prompts, outcomes } = data.trajectories;
  const field = (name) => document.getElementById("filter-" + name);
  const list = browser.querySelector(".rows"), detail = browser.querySelector(".detail");
  const count = document.getElementById("count");
  const fill = (select, values) => values.forEach((value) => {
    const option = make("option", "", visible(value));
    option.value = value;
    select.append(option);
  });
  fill(field("task"), [...new Set(rows.map((row) => row.task))].sort());
  const present = new Set(rows.map((row) => row.outcome));
  fill(field("outcome"), [...outcomes.filter((name) => present.has(name)), ...[...present].filter((name) => !outcomes.includes(name))]);
  const swatch = (outcome) => "swatch c-" + (outcomes.includes(outcome) ? outcome : "none");
  rows.forEach((row) => {
    row.text = [row.task, row.program, row.completion, row.error && row.error.kind + " " + row.error.message, prompts[row.prompt]]
      .filter(Boolean).join("\n").toLowerCase();
  });
  const orders = {
    step: (a, b) => a.step - b.step || a.group - b.group || a.sample - b.sample,
    latest: (a, b) => b.step - a.step || a.group - b.group || a.sample - b.sample,
    reward: (a, b) => b.reward - a.reward || orders.step(a, b),
    worst: (a, b) => a.reward - b.reward || orders.step(a, b),
    length: (a, b) => b.tokens - a.tokens || orders.step(a, b),
  };
  let matching = [], drawn = 0, current = null;
  const bound = (name, otherwise) => field(name).value === "" ? otherwise : Number(field(name).value);
  const filter = () => {
    const task = field("task").value, outcome = field("outcome").value, words = field("search").value.toLowerCase();
    const [from, to] = [bound("from", -Infinity), bound("to", Infinity)];
    const [least, most] = [bound("least", -Infinity), bound("most", Infinity)];
    const hasReward = (row) => (least === -Infinity && most === Infinity) || (row.reward !== null && row.reward >= least && row.reward <= most);
    matching = rows.filter((row) => (!task || row.task === task) && (!outcome || row.outcome === outcome)
      && row.step >= from && row.step <= to && hasReward(row) && row.text.includes(words)).sort(orders[field("order").value]);
    count.textContent = matching.length + " of " + rows.length + " match the filters";
    list.replaceChildren();
    drawn = 0;
    more();
    if (!matching.includes(current)) select(matching[0] || null);
  };
  const more = () => {
    list.querySelector(".more")?.remove();
    for (const row of matching.slice(drawn, drawn + 200)) {
      const button = make("button");
      button.type = "button";
      button.row = row;
      const mark = make("i", swatch(row.outcome));
      mark.title = row.outcome;
      button.append(mark, make("span", "what", visible(row.task)), make("span", "when", "step " + row.step + " #" + row.sample));
      const sub = row.error ? row.outcome + " \u00b7 " + row.error.kind : row.outcome;
      button.append(make("span", "sub", visible(sub) + " \u00b7 reward " + number(row.reward)));
      if (row === current) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => select(row));
      list.append(button);
    }
    drawn = Math.min(matching.length, drawn + 200);
    if (drawn < matching.length) {
      const button = make("button", "more", (matching.length - drawn) + " more");
      button.type = "button";
      button.addEventListener("click", more);
      list.append(button);
    }
  };
  list.addEventListener("keydown", (event) => {
    const to = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const next = to && document.activeElement[to];
    if (!next) return;
    event.preventDefault();
    next.focus();
    if (next.row) select(next.row);
  });

  const words = new Set(("False None True and as assert async await break class continue def del elif else except finally for from "
    + "global if import in is lambda nonlocal not or pass raise return try while with yield").split(" "));
  const pattern = /(#.*)|("""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)|\b(\d[\d_.]*(?:e[+-]?\d+)?)\b|([A-Za-z_]\w*)|([\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff])/g;
  const pieces = (source) => {
    const parts = [];
    let end = 0;
    const add = (className, text) => { if (text) parts.push([className, text]); };
    for (const match of source.matchAll(pattern)) {
      add("", source.slice(end, match.index));
      const [text, comment, string, digits, word, odd] = match;
      add(comment ? "c" : string ? "s" : digits ? "n" : odd ? "odd" : words.has(word) ? "k" : "", text);
      end = match.index + text.length;
    }
    add("", source.slice(end));
    return parts;
  };
  const program = (source, badLine) => {
    const pre = make("pre", "program");
    let line = null, lineNumber = 0;
    const start = () => {
      lineNumber += 1;
      const row = make("div", lineNumber === badLine ? "row bad" : "row");
      const label = make("span", "no", lineNumber);
      label.setAttribute("aria-hidden", "true");
      line = make("span", "text");
      row.append(label, line);
      pre.append(row);
    };
    start();
    for (const [className, text] of pieces(source)) {
      text.split("\n").forEach((part, index) => {
        if (index) start();
        if (part) line.append(className ? make("span", className, visible(part)) : visible(part));
      });
    }
    return pre;
  };
  const heading = (text) => make("h4", "", text);
  const select = (row) => {
    current = row;
    list.querySelectorAll("[aria-current]").forEach((button) => button.removeAttribute("aria-current"));
    [...list.children].find((button) => button.row === row)?.setAttribute("aria-current", "true");
    detail.replaceChildren();
    if (!row) {
      detail.append(make("p", "soft", "No program matches these filters."));
      return;
    }
    detail.append(make("h3", "", visible(row.task)));
    const facts = make("p", "soft");
    const tests = row.total ? row.passed + " of " + row.total + " tests passed" : "not tested";
    facts.append(make("span", "badge " + swatch(row.outcome).slice(7), row.outcome === "none" ? "not run" : row.outcome),
      " " + tests + " \u00b7 reward " + number(row.reward) + " \u00b7 advantage " + number(row.advantage));
    detail.append(facts, make("p", "soft", "step " + row.step + ", group " + row.group + ", sample " + row.sample
      + " \u00b7 policy version " + row.version + " \u00b7 " + row.tokens + " tokens, mean log-prob " + number(row.logprob)
      + (row.finish ? " \u00b7 ended by " + visible(row.finish) : "") + (row.mode ? " \u00b7 " + visible(row.mode) + " processes" : "")));
    const siblings = rows.filter((other) => other.step === row.step && other.group === row.group);
    if (siblings.length > 1) {
      const samples = make("div", "samples");
      samples.setAttribute("aria-label", "the samples of this group");
      for (const other of siblings) {
        const button = make("button");
        button.append(make("i", swatch(other.outcome)));
        button.type = "button";
        button.title = "sample " + other.sample + ": " + other.outcome + ", reward " + number(other.reward);
        button.setAttribute("aria-label", button.title);
        if (other === row) button.setAttribute("aria-current", "true");
        button.addEventListener("click", () => select(other));
        samples.append(button);
      }
      detail.append(samples);
    }
    if (row.error) {
      const where = row.error.line ? " in line " + row.error.line : "";
      detail.append(make("div", "error mono", visible(row.error.kind + where + (row.error.message ? ": " + row.error.message : ""))));
    }
    detail.append(heading("Program"));
    detail.append(row.program ? program(row.program, row.error && row.error.line) : make("p", "soft", "The completion holds no program."));
    detail.append(heading("Prompt"), make("pre", "prose", visible(prompts[row.prompt])));
    if (row.completion !== undefined) detail.append(heading("Completion, as sampled"), make("pre", "prose", visible(row.completion)));
    detail.scrollTop = 0;
  };
  for (const name of ["task", "outcome", "order", "from", "to", "least", "most", "search"]) field(name).addEventListener("input", filter);
  const clear = () => { for (const name of ["task", "outcome", "from", "to", "least", "most", "search"]) field(name).value = ""; };
  document.getElementById("filter-clear").addEventListener("click", () => { clear(); filter(); });
  for (const button of document.querySelectorAll("[data-task]")) {
    button.addEventListener("click", () => {
      clear();
      field("task").value = button.dataset.task;
      filter();
      document.getElementById("programs-heading").scrollIntoView();
    });
  }
  for (const { svg, chart } of figures) {
    svg.addEventListener("click", () => {
      if (shown === null) return;
      const index = nearest(chart.steps, shown);
      field("from").value = index ? chart.steps[index - 1] + 1 : 0;
      field("to").value = chart.steps[index];
      filter();
    });
  }
  browser.hidden = false;
  filter();
})();
