// Refreshes the elements with data-live. Without scripts the page shows its state at loading.
"use strict";

const seconds = Number(document.body.dataset.refreshSeconds);

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
      const response = await fetch(location.href);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (response.ok && fresh) renew(part, fresh);
      }
    } catch {
      // the bot is unreachable: keep the content and retry
    }
  }
  setTimeout(refresh, seconds * 1000);
}

if (seconds) setTimeout(refresh, seconds * 1000);
