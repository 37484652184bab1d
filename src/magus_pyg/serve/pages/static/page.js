"use strict";
// All of the page works without this. Here: suggestions, what is read out, focus, and no second click while one runs.

const pause = 150; // milliseconds after the last key before suggestions are asked for
const most = 4; // items side by side, as the service compares them

function suggest(box) {
  const list = document.getElementById("suggestions");
  let timer = 0, last = null;
  box.addEventListener("input", () => {
    clearTimeout(timer);
    const prefix = box.value.split(/[,;]/).pop().trim();
    if (!prefix) return;
    timer = setTimeout(async () => {
      if (last) last.abort();
      last = new AbortController();
      try {
        const url = box.dataset.suggest + "?prefix=" + encodeURIComponent(prefix.slice(0, 80));
        const reply = await fetch(url, { signal: last.signal, credentials: "same-origin" });
        if (!reply.ok) return;
        const before = box.value.slice(0, box.value.length - prefix.length);
        list.replaceChildren(...(await reply.json()).map((word) => {
          const option = document.createElement("option");
          option.value = before + word;
          return option;
        }));
      } catch (error) {
        if (error.name !== "AbortError") list.replaceChildren(); // the box goes on without
      }
    }, pause);
  });
}

function compare(button) {
  const marks = [...document.querySelectorAll("input[form=compare][type=checkbox]")];
  const text = button.textContent;
  const count = () => {
    const marked = marks.filter((mark) => mark.checked);
    button.textContent = marked.length ? `${text} (${marked.length})` : text;
    for (const mark of marks) mark.disabled = !mark.checked && marked.length >= most;
  };
  for (const mark of marks) mark.addEventListener("change", count);
  count();
}

function busy() {
  document.addEventListener("submit", (event) => {
    const root = document.documentElement;
    if (root.classList.contains("busy")) return event.preventDefault();
    root.classList.add("busy");
    document.getElementById("main").setAttribute("aria-busy", "true");
    setTimeout(() => say(document.body.dataset.busy), 600);
  });
  addEventListener("pageshow", () => {
    document.documentElement.classList.remove("busy");
    document.getElementById("main").removeAttribute("aria-busy");
    say("");
  });
}

function say(text) {
  document.getElementById("said").textContent = text;
}

function arrive() {
  const list = document.getElementById("list");
  if (!list) return;
  if (location.hash === "#list") {
    list.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  setTimeout(() => say(list.dataset.said || ""), 120);
}

const box = document.getElementById("text");
if (box && box.dataset.suggest) suggest(box);
const button = document.querySelector("[data-compare]");
if (button) compare(button);
busy();
addEventListener("pageshow", arrive);
