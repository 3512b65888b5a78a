"use strict";
// Draws runs by worker and time. The table below the canvas has the same for those who do not see it.
(() => {
  const canvas = document.getElementById("timeline");
  const source = document.getElementById("timeline-data");
  const chosen = document.getElementById("chosen");
  if (!canvas || !source) return;
  const data = JSON.parse(source.textContent);
  const root = document.documentElement.dataset.root;
  const [LANE, BEGUN, ENDED, WAITED, TASK, STATUS, ID] = [0, 1, 2, 3, 4, 5, 6];
  const by = document.getElementById("colours");
  const names = 150, top = 18, gap = 4;
  canvas.hidden = document.getElementById("keys").hidden = by.parentElement.hidden = false;
  let from = 0, to = data.seconds, current = -1;

  // Runs of one worker that overlap get rows of their own.
  const rowsOf = data.lanes.map(() => []), waits = [], most = 32;
  let hidden = 0;
  data.bars.sort((one, two) => one[BEGUN] - two[BEGUN]);
  const places = data.bars.map((bar) => {
    const ends = rowsOf[bar[LANE]];
    let row = ends.findIndex((end) => end <= bar[BEGUN]);
    if (row < 0 && ends.length < most) row = ends.push(0) - 1;
    if (row < 0) { row = most - 1; hidden += 1; }
    waits.push(Math.max(bar[WAITED], ends[row]));
    ends[row] = Math.max(ends[row], bar[ENDED]);
    return row;
  });
  const firstRow = [];
  let rows = 0;
  rowsOf.forEach((ends) => { firstRow.push(rows); rows += Math.max(1, ends.length); });
  const height = rows > 60 ? 6 : 16;
  canvas.height = top + rows * height + data.lanes.length * gap + 8;

  function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  const colors = {};
  function readColors() {
    Object.assign(colors, { success: color("--good"), failed: color("--bad"), running: color("--blue"),
      paused: color("--purple"), retry: color("--ochre"), other: color("--grey"), killed: color("--red"),
      tasks: ["--good", "--blue", "--ochre", "--purple", "--bad", "--grey", "--red", "--slate"].map(color), ink: color("--ink"), soft: color("--soft"), line: color("--line"), accent: color("--accent") });
    colors.running_recovery = colors.pending_recovery = colors.killed;
  }

  function y(at) { const lane = data.bars[at][LANE]; return top + (firstRow[lane] + places[at]) * height + lane * gap; }
  function x(seconds, width) { return names + (seconds - from) / (to - from) * (width - names); }

  // What is seen is in the address, so that it can be sent to somebody.
  let told = 0;
  function tellAddress() {
    clearTimeout(told);
    told = setTimeout(() => {
      const address = new URL(location.href);
      address.searchParams.delete("minutes");
      address.searchParams.set("since", (data.since + from).toFixed(3));
      address.searchParams.set("seconds", (to - from).toFixed(3));
      if (by.value === "task") address.searchParams.set("colours", "task"); else address.searchParams.delete("colours");
      history.replaceState(null, "", address);
    }, 200);
  }

  function draw() {
    const width = canvas.width = canvas.clientWidth;
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, canvas.height);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    pen.fillStyle = colors.soft;
    for (let part = 0; part <= 4; part += 1) {
      const seconds = from + (to - from) * part / 4;
      const whole = new Date((data.since + seconds) * 1000).toISOString();
      const text = data.seconds > 43200 ? whole.slice(5, 19).replace("T", " ") : whole.slice(11, 23);
      pen.textAlign = part === 4 ? "right" : "left";
      pen.fillText(text, Math.min(x(seconds, width), width), 8);
    }
    pen.textAlign = "left";
    data.lanes.forEach((name, lane) => {
      const at = top + firstRow[lane] * height + lane * gap;
      pen.fillStyle = colors.soft;
      pen.fillText(name, 0, at + height / 2, names - 6);
      pen.fillStyle = colors.line;
      pen.fillRect(names, at - gap / 2, width - names, 1);
    });
    data.bars.forEach((bar, at) => {
      if (bar[ENDED] < from || bar[BEGUN] > to) return;
      const begun = Math.max(names, x(bar[BEGUN], width)), ended = Math.min(width, x(bar[ENDED], width));
      const waited = Math.max(names, x(waits[at], width));
      pen.fillStyle = colors.soft;
      if (waited < begun) pen.fillRect(waited, y(at) + height / 2 - 0.5, begun - waited, 1);
      pen.fillStyle = by.value === "task" ? colors.tasks[bar[TASK] % colors.tasks.length] : colors[bar[STATUS]] || colors.other;
      pen.fillRect(begun, y(at) + 1, Math.max(1, ended - begun), height - 2);
      if (at === current) {
        pen.strokeStyle = colors.ink;
        pen.strokeRect(begun - 1, y(at), Math.max(1, ended - begun) + 2, height);
      }
    });
  }

  function tell() {
    const bar = data.bars[current];
    chosen.textContent = bar
      ? `${data.tasks[bar[TASK]]} ${bar[ID]}: waited ${(bar[BEGUN] - bar[WAITED]).toFixed(3)} s, ran ${(bar[ENDED] - bar[BEGUN]).toFixed(3)} s, ${bar[STATUS]}`
      : "";
  }

  function zoom(factor, middle) {
    const span = Math.min(data.seconds, Math.max(0.01, (to - from) * factor));
    const share = (middle - from) / (to - from);
    from = Math.max(0, Math.min(data.seconds - span, middle - span * share));
    to = from + span;
    draw();
    tellAddress();
  }

  function move(seconds) {
    const span = to - from;
    from = Math.max(0, Math.min(data.seconds - span, from + seconds));
    to = from + span;
    draw();
    tellAddress();
  }

  function secondsAt(event) { return from + (event.offsetX - names) / (canvas.clientWidth - names) * (to - from); }

  function barAt(event) {
    const seconds = secondsAt(event), slack = (to - from) / (canvas.clientWidth - names) * 2;
    return data.bars.findIndex((bar, at) => event.offsetY >= y(at) && event.offsetY < y(at) + height
      && bar[BEGUN] - slack <= seconds && seconds <= bar[ENDED] + slack);
  }

  let drag = null, isMoved = false;
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, secondsAt(event)); }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => { drag = event.offsetX; isMoved = false; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (drag !== null) {
      if (Math.abs(event.offsetX - drag) < 2) return;
      isMoved = true;
      move((drag - event.offsetX) / (canvas.clientWidth - names) * (to - from));
      drag = event.offsetX;
      return;
    }
    const at = barAt(event);
    if (at !== current) { current = at; tell(); draw(); }
  });
  canvas.addEventListener("pointerup", (event) => {
    drag = null;
    const at = isMoved ? -1 : barAt(event);
    if (at >= 0) location.href = `${root}/invocations/${data.bars[at][ID]}`;
  });
  canvas.addEventListener("keydown", (event) => {
    const step = (to - from) / 8;
    if (event.key === "+") zoom(0.5, (from + to) / 2);
    else if (event.key === "-") zoom(2, (from + to) / 2);
    else if (event.key === "ArrowLeft" && event.shiftKey) move(-step);
    else if (event.key === "ArrowRight" && event.shiftKey) move(step);
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const by = event.key === "ArrowRight" ? 1 : -1;
      current = Math.max(0, Math.min(data.bars.length - 1, current + by));
      const bar = data.bars[current];
      if (bar[BEGUN] < from || bar[BEGUN] > to) move(bar[BEGUN] - (from + to) / 2);
      tell();
      draw();
    } else if (event.key === "Enter" && current >= 0) location.href = `${root}/invocations/${data.bars[current][ID]}`;
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  by.addEventListener("change", () => { draw(); tellAddress(); });
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColors(); draw(); });
  readColors();
  draw();
  if (hidden) chosen.textContent = `${hidden} runs overlap so many others that they are drawn over each other`;
})();
