// Loads the page again when something changed, and replaces the elements with data-live.
// Without scripts the page shows its state at loading.
"use strict";

const seconds = Number(document.body.dataset.refreshSeconds);
const events = document.body.dataset.events;
const PAUSE = 1000;
const SLOW = 60; // between two refreshes while events arrive: ages and deadlines change, too
const PENDING = 2; // while a command of the user is being processed: a refused one causes no event
const SCROLLABLE = "[tabindex]";

let timer = 0;
let live = false;
let source = null;
let last = 0;

function renew(part, fresh) {
  for (const details of part.querySelectorAll("details[id]")) {
    const same = fresh.querySelector(`#${CSS.escape(details.id)}`);
    if (same) same.open = details.open;
  }
  if (part.innerHTML === fresh.innerHTML) return;
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const position = focused ? [...part.querySelectorAll(focused.tagName)].indexOf(focused) : -1;
  const scrolled = [...part.querySelectorAll(SCROLLABLE)].map(({ scrollTop, scrollLeft }) => ({ scrollTop, scrollLeft }));
  part.replaceChildren(...fresh.childNodes);
  [...part.querySelectorAll(SCROLLABLE)].forEach((area, index) => Object.assign(area, scrolled[index]));
  if (focused) keepFocus(part, focused, position);
}

// The element in the new content that is the same for a user of the keyboard; a log may have new lines.
function keepFocus(part, focused, position) {
  const others = [...part.querySelectorAll(focused.tagName)];
  const same = others.find(
    (other) => other.getAttribute("href") === focused.getAttribute("href") && other.textContent === focused.textContent,
  );
  const renewed = same || (focused.matches(SCROLLABLE) ? others[position] : null);
  if (renewed) renewed.focus({ preventScroll: true });
}

function announce(text) {
  document.getElementById("announcement").textContent = text;
}

function announced() {
  return [...document.querySelectorAll("[data-announce]")].map((part) => part.textContent.trim()).join(". ");
}

async function refresh() {
  last = Date.now();
  if (!document.hidden && !window.getSelection().toString()) {
    try {
      const response = await fetch(location.href);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const before = announced();
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (response.ok && fresh) renew(part, fresh);
      }
      const after = announced();
      if (after !== before) announce(after);
    } catch {
      // the bot is unreachable: keep the content and retry
    }
  }
  plan(interval());
}

function interval() {
  if (document.querySelector("[data-pending]")) return PENDING;
  return live ? SLOW : seconds;
}

function plan(wait) {
  clearTimeout(timer);
  timer = setTimeout(refresh, Math.max(wait * 1000, last + PAUSE - Date.now()));
}

// Only while the page is visible: with HTTP/1.1 a browser opens six connections to a host, for all its tabs together.
function listen() {
  if (source && source.readyState !== EventSource.CLOSED) return;
  source = new EventSource(events);
  source.onopen = () => { live = true; plan(interval()); };
  source.onmessage = () => plan(0);
  source.onerror = () => { live = false; plan(interval()); };
}

function end() {
  if (source) source.close();
  source = null;
  live = false;
}

function follow() {
  if (document.hidden) return end();
  if (events) listen();
  plan(0);
}

if (seconds) {
  document.addEventListener("visibilitychange", follow);
  plan(interval());
  if (events && !document.hidden) listen();
}
