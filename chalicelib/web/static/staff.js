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
