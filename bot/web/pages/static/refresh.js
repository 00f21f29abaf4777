// Keeps what is marked data-live current. Without scripts the page is the same, as of when it was loaded.
"use strict";

const seconds = Number(document.body.dataset.every);

function renew(part, fresh) {
  for (const details of part.querySelectorAll("details[id]")) {
    const same = fresh.querySelector(`#${CSS.escape(details.id)}`);
    if (same) same.open = details.open;
  }
  if (part.innerHTML !== fresh.innerHTML) part.replaceChildren(...fresh.childNodes);
}

async function refresh() {
  if (!document.hidden && !window.getSelection().toString()) {
    try {
      const answer = await fetch(location.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (answer.ok && fresh) renew(part, fresh);
      }
    } catch {
      // the bot is away: what is shown stays, and the next round tries again
    }
  }
  setTimeout(refresh, seconds * 1000);
}

if (seconds) setTimeout(refresh, seconds * 1000);
