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

  function place(element) {
    if (!element || !main.contains(element) || element === main) return null;
    return { tag: element.tagName, at: [...main.querySelectorAll(element.tagName)].indexOf(element),
             href: element.getAttribute("href") };
  }

  function found(where) {
    const all = [...main.querySelectorAll(where.tag)];
    const same = all.filter((each) => each.getAttribute("href") === where.href);
    return where.href === null ? all[where.at] : same.includes(all[where.at]) ? all[where.at] : same[0];
  }

  // Which one it is, whatever stands before it: the row by its id, and its place within the row or the page.
  function nameOf(element) {
    const row = element.closest("tr");
    const id = row && row.querySelector(".id");
    const within = row || main;
    const at = [...within.querySelectorAll(element.tagName)].indexOf(element);
    return `${element.tagName} ${id ? id.getAttribute("title") || id.textContent : row ? [...main.querySelectorAll("tr")].indexOf(row) : ""} ${at}`;
  }

  function replace(html) {
    const open = new Map([...main.querySelectorAll("details")].map((each) => [nameOf(each), each.open]));
    const scrolled = new Map([...main.querySelectorAll("pre")].map((each) => [nameOf(each), each.scrollTop]));
    const focused = place(document.activeElement);
    main.innerHTML = html;
    main.querySelectorAll("details").forEach((each) => { if (open.has(nameOf(each))) each.open = open.get(nameOf(each)); });
    main.querySelectorAll("pre").forEach((each) => { if (scrolled.get(nameOf(each))) each.scrollTop = scrolled.get(nameOf(each)); });
    const again = focused && found(focused);
    if (again) again.focus({ preventScroll: true });
    select(0);
  }

  // What somebody types is not to be lost.
  function isFilling() {
    const fields = [...main.querySelectorAll("input:not([type=hidden]), textarea, select")];
    return fields.some((each) => each === document.activeElement || ("defaultValue" in each && each.value !== each.defaultValue));
  }

  // A page is replaced when nobody is in the middle of something: a click, a selection, a text.
  let pending = null;
  let isPressing = false;
  function settle() {
    if (pending === null) return;
    const isSelecting = window.getSelection() && !window.getSelection().isCollapsed;
    if (isPressing || isSelecting || isFilling()) { say("waits for you"); return; }
    const html = pending;
    pending = null;
    replace(html);
    say("live");
  }
  const soon = () => setTimeout(settle, 0);
  document.addEventListener("pointerdown", () => { isPressing = true; });
  for (const name of ["pointerup", "pointercancel"]) {
    document.addEventListener(name, () => { setTimeout(() => { isPressing = false; settle(); }, 50); });
  }
  for (const name of ["focusout", "input", "selectionchange"]) document.addEventListener(name, soon);

  function begin() {
    if (source || isPaused || document.hidden || page.live === "off") return;
    const where = new URLSearchParams({ page: page.place, query: page.query });
    source = new EventSource(`${page.root}/stream?${where}`);
    source.addEventListener("open", () => say("live"));
    source.addEventListener("main", (event) => { pending = event.data; settle(); });
    source.addEventListener("error", () => {
      say("waits for the monitor");
      if (source && source.readyState === EventSource.CLOSED) retry();
    });
  }

  // A stream that was refused is not opened again by the browser.
  function retry() {
    source = null;
    setTimeout(async () => {
      try {
        const answer = await fetch(location.href, { redirect: "manual" });
        if (answer.type === "opaqueredirect") { location.reload(); return; }
      } catch (error) { /* it is away; the next try follows */ }
      begin();
    }, 3000);
  }

  function end(text) {
    if (source) source.close();
    source = pending = null;
    say(text);
  }

  let chosen = null;
  function select(by) {
    const rows = [...main.querySelectorAll("table.rows tbody tr")].filter((row) => row.querySelector("a.id"));
    rows.forEach((row) => row.classList.remove("selected"));
    const now = rows.findIndex((row) => row.querySelector("a.id").getAttribute("href") === chosen);
    if (!rows.length || (by === 0 && now < 0)) return null;
    const row = rows[by === 0 ? now : Math.min(Math.max(now + by, 0), rows.length - 1)];
    chosen = row.querySelector("a.id").getAttribute("href");
    row.classList.add("selected");
    if (by !== 0) row.scrollIntoView({ block: "nearest" });
    return row;
  }

  const pages = {
    o: "", i: "invocations", w: "workflows", t: "tasks", q: "queues", s: "triggers", r: "runners", a: "alerts", l: "logs",
    f: "failures", e: "events", c: "schedule", m: "timeline", v: "live", x: "actions", y: "system",
  };
  function chooseTheme() {
    const button = [...document.querySelectorAll("#theme button")].find((each) => getComputedStyle(each).display !== "none");
    if (button) button.click();
  }

  let isGoing = false;
  document.addEventListener("keydown", (event) => {
    const tag = event.target.tagName;
    if (event.ctrlKey || event.metaKey || event.altKey || page.keys === "off") return;
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
    else if (event.key === "?") location.href = `${page.root}/help`;
    else if (event.key === "t") chooseTheme();
    else if (event.key === "[" || event.key === "]") {
      const link = main.querySelector(event.key === "]" ? "a[rel=next]" : "a[rel=prev]");
      if (link) location.href = link.href; else if (event.key === "[") history.back();
    } else if (event.key === "o" || event.key === "c" || event.key === "w" || (event.key === "Enter" && tag === "BODY")) {
      const row = select(0), link = row && row.querySelector("a.id");
      const id = link ? link.title : page.place.startsWith("invocations/") ? page.place.split("/")[1] : "";
      if (event.key === "c" && id && navigator.clipboard) navigator.clipboard.writeText(id).then(() => say("copied"), () => {});
      else if (event.key === "o" && link) window.open(link.href, "_blank", "noopener");
      else if (link && event.key !== "c") location.href = link.href;
    } else if (event.key === "." && page.live !== "off") {
      isPaused = !isPaused;
      if (isPaused) end("paused"); else begin();
    }
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) end(""); else begin(); });
  begin();
})();
