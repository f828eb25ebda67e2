// Without this script everything is still there to read: it only filters, opens and copies.
(() => {
  "use strict";
  const all = (selector) => [...document.querySelectorAll(selector)];
  const cards = all("details.alert");
  const form = document.querySelector(".filters");
  const everything = new Map();

  if (form) {
    const [text, account, disposition, shown, expand] =
      ["text", "account", "disposition", "shown", "expand"].map((id) => document.getElementById(id));

    const textOf = (card) => {
      if (!everything.has(card)) everything.set(card, card.textContent.toLowerCase());
      return everything.get(card);
    };

    const isWanted = (card, words) =>
      (!account.value || card.dataset.account === account.value) &&
      (!disposition.value || [card.dataset.disposition, `group ${card.dataset.group}`].includes(disposition.value)) &&
      words.every((word) => textOf(card).includes(word));

    const filter = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const card of cards) {
        card.hidden = !isWanted(card, words);
        count += card.hidden ? 0 : 1;
      }
      shown.textContent = `${count} of ${cards.length} alerts shown`;
    };

    form.hidden = false;
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter));
    expand.addEventListener("click", () => {
      const open = expand.getAttribute("aria-pressed") !== "true";
      expand.setAttribute("aria-pressed", String(open));
      expand.textContent = open ? "Close all" : "Open all";
      for (const card of cards) if (!card.hidden) card.open = open;
    });
    for (const tile of all(".tiles a")) {
      tile.addEventListener("click", () => {
        form.reset();
        disposition.value = tile.dataset.group === "all" ? "" : `group ${tile.dataset.group}`;
        filter();
      });
    }
    filter();
  }

  const copy = async (button) => {
    const source = button.parentElement.querySelector("pre");
    getSelection().selectAllChildren(source);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  for (const button of all("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }

  // Paper cannot be opened. Browsers that know ::details-content need none of this.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])");
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });
})();
