"use strict";

/* The shop works without this file. It shows the cart's count on pages that are the same for everybody,
   sends each form once, and looks again at an order that is being paid. */

const SENT_AGAIN_AFTER = 10_000; // milliseconds: a post that was stopped must not lock its button for good
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
    // Whoever has moved into the page is reading or about to press something: the link is there for them.
    if (document.activeElement === document.body) location.replace(link.href);
  }, LOOK_AGAIN_AFTER);
}

document.addEventListener("submit", sendOnce);
// A page that comes back from the browser's memory shows an old count and buttons that were pressed.
window.addEventListener("pageshow", () => {
  showCartCount();
  document.querySelectorAll("[data-sent]").forEach(release);
});
lookAgain();
