// Show new emails as they arrive, and delete all on request.
const shown = document.body.dataset.newest;

async function look() {
  try {
    const answer = await fetch("/api/newest");
    if ((await answer.json()) !== shown) {
      location.reload();
      return;
    }
  } catch {
    // The mailbox is not available for a moment; retry at the next interval.
  }
  setTimeout(look, 1500);
}

document.querySelector("[data-empty]")?.addEventListener("click", async () => {
  await fetch("/api/messages", { method: "DELETE" });
  location.assign("/");
});

setTimeout(look, 1500);
