"use strict";
// Takes a step without leaving the page, and adds buttons that copy. Without this script the forms do the same.
(() => {
  const show = (section, text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    const found = page.getElementById(section.id);
    if (!found) return false;
    const old = section.querySelector(".outcome");
    const made = found.querySelector(".outcome");
    if (made) old.replaceChildren(...made.childNodes); // the region stays, so that screen readers tell what is new
    for (const field of document.querySelectorAll("input[name=csrf_token]")) {
      const fresh = page.querySelector("input[name=csrf_token]");
      if (fresh) field.value = fresh.value;
    }
    return Boolean(made);
  };

  const take = async (event) => {
    const form = event.target;
    const section = form.closest("section");
    event.preventDefault();
    const button = form.querySelector("button");
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { Accept: "text/html" },
      });
      if (!show(section, await answer.text())) form.submit();
    } catch {
      form.submit();
    } finally {
      button.removeAttribute("aria-disabled");
    }
  };

  const addCopyButton = (block) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet copy";
    button.textContent = block.dataset.copy;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("pre").textContent.trim() + "\n");
      button.textContent = block.dataset.copied;
      window.setTimeout(() => (button.textContent = block.dataset.copy), 2000);
    });
    block.prepend(button);
  };

  for (const form of document.querySelectorAll("form.step")) form.addEventListener("submit", take);
  if (navigator.clipboard) for (const block of document.querySelectorAll(".terminal")) addCopyButton(block);
})();
