"use strict";

/* The desk works without this file. */

// -- the entrance: a password can be shown --

document.querySelectorAll("[data-password]").forEach((frame) => {
  const input = frame.querySelector("input");
  const button = document.createElement("button");
  const say = (shown) => {
    input.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.setAttribute("aria-label", `${button.textContent} the password`);
  };
  button.type = "button";
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => { say(input.type === "password"); input.focus(); });
  // Sent as a password, so that no browser remembers it among the things one types.
  input.form.addEventListener("submit", () => say(false));
  say(false);
  frame.append(button);
});

// -- orders: tick all of a list, print slips --

document.querySelectorAll("[data-tick-all]").forEach((place) => {
  const boxes = () => place.closest("table").querySelectorAll("tbody input[type=checkbox]");
  const all = document.createElement("input");
  all.type = "checkbox";
  all.setAttribute("aria-label", "Tick all orders of this page");
  all.addEventListener("change", () => boxes().forEach((box) => { box.checked = all.checked; }));
  place.replaceChildren(all);
});

document.querySelectorAll("[data-print]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
  document.querySelectorAll("[data-print-words]").forEach((words) => { words.hidden = true; });
});

// -- forms that are sent once: a second press waits for the answer to the first --

document.querySelectorAll("form[data-once]").forEach((form) => {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-once]").forEach((form) => { delete form.dataset.sent; });
});
