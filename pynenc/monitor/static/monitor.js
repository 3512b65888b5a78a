"use strict";
// Keeps the page true: one stream for it, closed while nobody looks. And keys for those who like them.
(() => {
  const page = document.documentElement.dataset;
  const live = document.getElementById("live");
  const main = document.getElementById("main");
  if (!live || !main) return;
  let source = null;
  let isPaused = false;

  function say(text) { live.textContent = text; }

  function replace(html) {
    const open = [...main.querySelectorAll("details")].map((each) => each.open);
    const focused = document.activeElement && main.contains(document.activeElement)
      ? document.activeElement.getAttribute("href") : null;
    main.innerHTML = html;
    main.querySelectorAll("details").forEach((each, at) => { if (at in open) each.open = open[at]; });
    if (focused !== null) {
      const again = [...main.querySelectorAll("a")].find((each) => each.getAttribute("href") === focused);
      if (again) again.focus({ preventScroll: true });
    }
    select(0);
  }

  function begin() {
    if (source || isPaused || document.hidden) return;
    const where = new URLSearchParams({ page: page.place, query: page.query });
    source = new EventSource(`${page.root}/stream?${where}`);
    source.addEventListener("open", () => say("live"));
    source.addEventListener("main", (event) => {
      if (!window.getSelection() || window.getSelection().isCollapsed) replace(event.data);
    });
    source.addEventListener("error", () => say("waits for the monitor"));
  }

  function end(text) {
    if (source) source.close();
    source = null;
    say(text);
  }

  let chosen = -1;
  function select(by) {
    const rows = [...main.querySelectorAll("table.rows tbody tr")].filter((row) => row.querySelector("a.id"));
    rows.forEach((row) => row.classList.remove("selected"));
    if (!rows.length || (by === 0 && chosen < 0)) { chosen = rows.length ? chosen : -1; return; }
    chosen = Math.min(Math.max(chosen + by, 0), rows.length - 1);
    rows[chosen].classList.add("selected");
    if (by !== 0) rows[chosen].scrollIntoView({ block: "nearest" });
    return rows[chosen];
  }

  const pages = { o: "", i: "invocations", w: "workflows", q: "queues", r: "runners", a: "alerts", l: "logs" };
  let isGoing = false;
  document.addEventListener("keydown", (event) => {
    const tag = event.target.tagName;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (tag === "INPUT" || tag === "TEXTAREA" || tag === "SELECT") {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (isGoing) {
      isGoing = false;
      if (event.key in pages) location.href = `${page.root}/${pages[event.key]}`;
      return;
    }
    if (event.key === "/") { event.preventDefault(); document.getElementById("q").focus(); }
    else if (event.key === "g") isGoing = true;
    else if (event.key === "j") select(1);
    else if (event.key === "k") select(-1);
    else if (event.key === "Enter" && tag === "BODY") {
      const row = chosen >= 0 ? select(0) : null;
      if (row) location.href = row.querySelector("a.id").href;
    } else if (event.key === ".") {
      isPaused = !isPaused;
      if (isPaused) end("paused"); else begin();
    }
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) end(""); else begin(); });
  begin();
})();
