"use strict";

/* The shop works without this file. It shows the cart's count on pages that are the same for everybody,
   sends each form once, and refreshes the page of an order that is being paid. */

const SENT_AGAIN_AFTER = 10_000; // milliseconds: a cancelled post must not disable its button forever
const LOOK_AGAIN_AFTER = 4_000;

function showCartCount() {
  const link = document.querySelector("[data-cart]");
  const cookie = document.cookie.match(/(?:^|;\s*)cart_count=(\d{1,4})(?:;|$)/);
  if (!link || (!cookie && "counted" in link.dataset)) return;
  const count = cookie ? Number(cookie[1]) : 0;
  const badge = link.querySelector("[data-cart-badge]");
  badge.textContent = count || "";
  badge.hidden = !count;
  link.querySelector("[data-cart-words]").textContent = count ? `Cart, ${count} ${count === 1 ? "item" : "items"}` : "Cart";
}

function release(form) {
  delete form.dataset.sent;
  form.querySelectorAll("button").forEach((button) => button.removeAttribute("aria-disabled"));
}

function sendOnce(event) {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if ("sent" in form.dataset) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "";
  form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-disabled", "true"));
  setTimeout(release, SENT_AGAIN_AFTER, form);
}

function lookAgain() {
  const link = document.querySelector("[data-look-again]");
  if (!link) return;
  setTimeout(() => {
    // A reader who has focused something is not interrupted: the page has a link.
    if (document.activeElement === document.body) location.replace(link.href);
  }, LOOK_AGAIN_AFTER);
}

document.addEventListener("submit", sendOnce);
// A page restored from the back/forward cache shows an old count and disabled buttons.
window.addEventListener("pageshow", () => {
  showCartCount();
  document.querySelectorAll("[data-sent]").forEach(release);
});
lookAgain();
