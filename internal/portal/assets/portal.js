// What script adds to pages that are whole without it: the viewer's time zone, spoken
// progress, a warning before the login ends, and the focus on what is wrong.
"use strict";
(() => {
  const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const local = new Date().getTimezoneOffset() !== 0;

  function times(root) {
    if (!local) return;
    for (const t of root.querySelectorAll("time[datetime]")) {
      const text = zone.format(new Date(t.dateTime));
      if (t.title !== text) {
        t.title = text + " " + name;
        t.dataset.local = text;
      }
    }
  }

  let said = "", next = 0;
  function announce(live) {
    const text = [...live.querySelectorAll("[data-announce]")].map((e) => e.dataset.announce).join(". ");
    const out = document.getElementById("announce");
    if (!out || text === said || Date.now() < next) return;
    if (said !== "") out.textContent = text; // the first is what the page says anyway
    said = text;
    next = Date.now() + 10000;
  }

  times(document);
  if (local) document.getElementById("zone").textContent = ", with yours (" + name + ") beside or below";
  if (document.activeElement === document.body) document.getElementById("errors")?.focus();

  const live = document.getElementById("live");
  if (live) {
    announce(live);
    document.addEventListener("htmx:sse:after:message", () => {
      times(live);
      announce(live);
    });
    live.addEventListener("signed-out", () => {
      expiry.hidden = false;
      expiry.firstElementChild.textContent = "Your login has ended. This page no longer changes.";
    });
  }

  const expiry = document.getElementById("expiry");
  if (expiry) {
    const warn = () => { expiry.hidden = Date.parse(expiry.dataset.expires) - Date.now() > 120000; };
    setInterval(warn, 5000);
    warn();
    document.getElementById("stay").addEventListener("click", async () => {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.redirected) return location.reload();
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      expiry.dataset.expires = page.getElementById("expiry").dataset.expires;
      warn();
    });
  }
})();
