// Keeps the parts marked data-live current. Without scripts the page is the same, as of when it was loaded.
"use strict";

const parts = document.querySelectorAll("[data-live][id]");

function replace(part, fresh) {
  if (part.contains(document.activeElement) && document.activeElement.matches("select, input, textarea")) return;
  for (const details of part.querySelectorAll("details[id]")) {
    const same = fresh.querySelector(`#${CSS.escape(details.id)}`);
    if (same) same.open = details.open;
  }
  if (part.innerHTML !== fresh.innerHTML) part.replaceChildren(...fresh.childNodes);
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts) {
      const fresh = page.getElementById(part.id);
      if (fresh) replace(part, fresh);
    }
  } catch {
    // the server is away: what is shown stays, and the next round tries again
  }
}

if (parts.length) setInterval(refresh, 1500);
