// Everything can be read without this script: it only filters, sorts, opens and copies.
(() => {
  "use strict";
  const all = (selector) => [...document.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const form = document.querySelector(".filters");

  if (form) {
    const [text, account, severity, result, sort, shown, none, expand, list] =
      ["text", "account", "severity", "result", "sort", "shown", "none", "expand", "cards"].map(byId);
    const cards = all("details.alert").map((element, place) => ({ ...element.dataset, element, place }));
    // The one filter without a field in the form.
    let reason = "";
    const links = all("a[data-filter]").map((element) => ({ element, wanted: wantedBy(element.dataset) }));

    function wantedBy({ account = "", severity = "", result = "", group = "", reason = "" }) {
      return { text: "", account, severity, result: group ? `group ${group}` : result, reason };
    }

    // Read once and only if somebody searches: it is most of the page.
    const textOf = (card) => (card.text ??= card.element.textContent.toLowerCase());

    const reasonOf = (card) => (card.reason ??= card.element.querySelector(".gist").textContent);

    const isWanted = (card, words) =>
      (!account.value || card.account === account.value) &&
      (!severity.value || card.severity === severity.value) &&
      (!result.value || result.value === card.result || result.value === `group ${card.group}`) &&
      (!reason || reason === reasonOf(card)) &&
      words.every((word) => textOf(card).includes(word));

    const filter = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const card of cards) {
        const wanted = isWanted(card, words);
        if (card.element.hidden === wanted) card.element.hidden = !wanted;
        count += wanted;
      }
      shown.textContent = `${count} of ${cards.length} alerts shown${reason ? ", all with the same reason" : ""}`;
      none.hidden = count > 0;
      for (const { element, wanted } of links) {
        if (isSet(wanted)) element.setAttribute("aria-current", "true");
        else element.removeAttribute("aria-current");
      }
    };

    const isSet = (wanted) =>
      text.value === wanted.text && account.value === wanted.account &&
      severity.value === wanted.severity && result.value === wanted.result && reason === wanted.reason;

    const set = (wanted) => {
      [text.value, account.value, severity.value, result.value, reason] =
        [wanted.text, wanted.account, wanted.severity, wanted.result, wanted.reason];
      filter();
    };
    const clear = () => set(wantedBy({}));

    const compare = {
      place: (one, other) => one.place - other.place,
      rank: (one, other) => one.rank - other.rank || one.place - other.place,
      // Not by localeCompare, which takes as long as all the rest.
      account: (one, other) =>
        (one.account > other.account) - (one.account < other.account) || one.place - other.place,
    };

    form.hidden = false;
    form.addEventListener("input", () => {
      filter();
      // What is left may end above the screen.
      if (list.getBoundingClientRect().top < 0) byId("alerts").scrollIntoView();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    // The order stays as it is.
    form.addEventListener("reset", (event) => { event.preventDefault(); clear(); });
    // Where the keyboard follows the visible order, nothing has to move in the document: half the time.
    const isVisual = CSS.supports("reading-flow", "flex-visual");
    sort.addEventListener("change", () => {
      const sorted = [...cards].sort(compare[sort.value]).map((card) => card.element.parentNode);
      if (isVisual) sorted.forEach((element, place) => { element.style.order = place; });
      else list.append(...sorted);
    });
    byId("clear").addEventListener("click", () => { clear(); text.focus(); });
    expand.addEventListener("click", () => {
      const open = expand.getAttribute("aria-pressed") !== "true";
      expand.setAttribute("aria-pressed", String(open));
      expand.textContent = open ? "Close all" : "Open all";
      for (const { element } of cards) if (!element.hidden) element.open = open;
    });
    // The same link again shows all alerts again.
    for (const { element, wanted } of links) {
      element.addEventListener("click", () => (isSet(wanted) ? clear() : set(wanted)));
    }

    // report.html#alert-I-1234567 opens that alert.
    const openNamed = () => {
      const named = byId(location.hash.slice(1));
      if (!named?.matches("details.alert")) return;
      clear();
      named.open = true;
      named.scrollIntoView();
    };
    addEventListener("hashchange", openNamed);
    filter();
    openNamed();
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
