"use strict";

/* The staff pages work without this file. */

// -- login: a password can be shown --

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
  // Sent as a password, so that no browser offers it as a suggestion.
  input.form.addEventListener("submit", () => say(false));
  say(false);
  frame.append(button);
});

// -- orders: select all of a list, print slips --

document.querySelectorAll("[data-tick-all]").forEach((place) => {
  const boxes = () => place.closest("table").querySelectorAll("tbody input[type=checkbox]");
  const all = document.createElement("input");
  all.type = "checkbox";
  const frame = document.createElement("label"); // as large for touch as those below
  all.setAttribute("aria-label", "Select all orders on this page");
  all.addEventListener("change", () => boxes().forEach((box) => { box.checked = all.checked; }));
  frame.append(all, Object.assign(document.createElement("span"), { textContent: "Select all" }));
  place.replaceChildren(frame);
});

document.querySelectorAll("[data-print]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
  document.querySelectorAll("[data-print-words]").forEach((words) => { words.hidden = true; });
});

// -- forms that are sent once: a second click waits for the response to the first --

const SENT_AGAIN_AFTER = 10_000; // milliseconds: a cancelled post must not disable its button forever

document.querySelectorAll("form[data-once]").forEach((form) => {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, SENT_AGAIN_AFTER);
  });
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-once]").forEach((form) => { delete form.dataset.sent; });
});

// -- one product: add and remove rows, and preview the text, without leaving the page --

const WAIT_WHILE_TYPING = 400; // milliseconds

async function fetchPart(form, button, part) {
  const body = new URLSearchParams(new FormData(form));
  body.set("do", button.value);
  const answer = await fetch(form.action, { method: "POST", body });
  if (!answer.ok) throw new Error(answer.status);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(part);
  if (!fresh) throw new Error("logged out");
  document.getElementById(part).replaceWith(fresh);
  return fresh;
}

document.querySelectorAll("[data-parts]").forEach((form) => {
  form.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-part]");
    if (!button) return;
    event.preventDefault();
    const known = new Set([...form.querySelectorAll("input")].map((input) => input.name));
    try {
      const fresh = await fetchPart(form, button, button.dataset.part);
      const added = [...fresh.querySelectorAll("input[type='text']")].find((input) => !known.has(input.name));
      (added || fresh.querySelector(`button[value="${CSS.escape(button.value)}"]`) || fresh.querySelector("button[value='row']"))?.focus();
    } catch {
      delete button.dataset.part; // so that this click submits the form, and the full page shows the error
      button.click();
    }
  });
  const text = form.querySelector("[data-previewed]");
  const button = form.querySelector("[data-part='preview']");
  let waiting;
  button.parentElement.hidden = true;
  text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => fetchPart(form, button, "preview").catch(() => { button.parentElement.hidden = false; }), WAIT_WHILE_TYPING);
  });
});

document.querySelectorAll("[data-proposes]").forEach((name) => {
  const slug = document.getElementById(name.dataset.proposes);
  name.addEventListener("input", () => {
    slug.placeholder = name.value.replaceAll("ß", "ss").normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40);
  });
});

// -- a product's images: alt text and file in one step, and the upload's progress --

document.querySelectorAll("[data-upload]").forEach((form) => {
  const file = form.querySelector("[type='file']");
  const alt = form.querySelector("[data-words] input");
  const error = document.getElementById("file-error");
  const progress = form.querySelector("[data-progress]");
  const button = form.querySelector("button");
  const refuse = (words) => {
    error.textContent = words;
    error.hidden = false;
    progress.hidden = true;
    button.disabled = false;
    file.setAttribute("aria-invalid", "true");
    file.setAttribute("aria-describedby", "file-error file-hint");
    file.focus();
  };
  const added = () => {
    const next = document.querySelector("[data-added]");
    next.elements.alt.value = alt.value;
    next.submit();
  };
  form.querySelector("[data-words]").hidden = false;
  alt.required = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [chosen] = file.files;
    if (chosen.size > Number(form.dataset.most)) {
      refuse(`This image is ${Math.ceil(chosen.size / 1024 / 1024)} MB; the maximum is ${form.dataset.most / 1024 / 1024} MB.`);
      return;
    }
    error.hidden = true;
    progress.hidden = false;
    button.disabled = true;
    const body = new FormData();
    Object.entries(JSON.parse(form.dataset.upload)).forEach(([name, value]) => body.append(name, value));
    body.append("file", chosen);
    const sending = new XMLHttpRequest();
    sending.upload.addEventListener("progress", ({ loaded, total }) => {
      progress.querySelector("progress").value = (100 * loaded) / total;
      progress.querySelector("span").textContent = `${Math.floor((100 * loaded) / total)}%`;
    });
    sending.addEventListener("load", () => (sending.status === 201 ? added() : refuse("The image was rejected. Please reload the page and upload it again.")));
    sending.addEventListener("error", () => refuse("The upload failed. Please check your internet connection and try again."));
    sending.open("POST", form.action);
    sending.send(body);
  });
});

document.querySelectorAll("[data-look-again]").forEach((link) => {
  setTimeout(() => {
    if (document.activeElement === document.body) location.replace(link.href); // nothing has the focus
  }, 3_000);
});

// -- products edited inline: unsaved cells are marked and counted, Escape resets a cell, / searches --

document.querySelectorAll("form[data-inline-edit]").forEach((form) => {
  const cells = [...form.querySelectorAll(".product-table-input > input[type=text], .product-table-checkbox input")];
  const button = form.querySelector("button[type=submit]");
  const bar = form.querySelector(".save-bar");
  const returned = new Set(cells.filter((cell) => cell.hasAttribute("data-changed")));
  const differs = (cell) => (cell.type === "checkbox" ? cell.checked !== cell.defaultChecked : cell.value.trim() !== cell.defaultValue);
  const waiting = () => cells.filter((cell) => returned.has(cell) || differs(cell));
  const count = () => {
    cells.forEach((cell) => cell.toggleAttribute("data-changed", returned.has(cell) || differs(cell)));
    const rows = new Set(waiting().map((cell) => cell.closest("tr"))).size;
    bar.classList.toggle("save-bar-unsaved", rows > 0);
    bar.classList.toggle("save-bar-idle", rows === 0);
    form.querySelector("[data-count]").textContent =
      rows === 0 ? "No changes yet." : rows === 1 ? "1 unsaved row." : `${rows} unsaved rows.`;
  };
  form.addEventListener("input", count);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !cells.includes(event.target) || !differs(event.target)) return;
    event.preventDefault();
    event.target.value = event.target.defaultValue;
    event.target.checked = event.target.defaultChecked;
    event.target.select();
    count();
  });
  // Select a cell's text on focus, so that typing replaces it.
  form.addEventListener("focusin", ({ target }) => { if (target.matches(".product-table-input > input[type=text]")) target.select(); });
  window.addEventListener("beforeunload", (event) => { if (!form.dataset.sent && waiting().length) event.preventDefault(); });
  window.addEventListener("pageshow", count);
  button.title = "Enter saves, Escape undoes a cell, / searches";
  count();
});

document.querySelectorAll("[data-slash]").forEach((search) => {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    search.focus();
    search.select();
  });
});

// -- a file that is too large is not sent --

document.querySelectorAll("[data-most-bytes]").forEach((input) => {
  input.addEventListener("change", () => {
    const most = Number(input.dataset.mostBytes);
    const large = input.files[0] && input.files[0].size > most;
    input.setCustomValidity(large ? `This file is larger than ${most / 1024 / 1024} MB.` : "");
    input.reportValidity();
  });
});

// -- background jobs: refresh until done --

const LOOK_AGAIN_AFTER = 1500; // milliseconds

async function lookAgain() {
  const job = document.querySelector("#job[data-looks-again]");
  if (!job) return;
  try {
    const answer = await fetch(location.href);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = fresh.getElementById("job");
    if (!now) return location.reload(); // logged out, or the job expired: the page says which
    if (now.innerHTML !== job.innerHTML) {
      const focused = job.contains(document.activeElement);
      job.replaceWith(now);
      document.title = fresh.title;
      if (focused) now.querySelector("a, button")?.focus();
    }
  } catch {
    // no response: retry at the next interval
  }
  setTimeout(lookAgain, LOOK_AGAIN_AFTER);
}
lookAgain();
