"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);

  // Rows open.
  const setOpen = (button, open) => {
    button.setAttribute("aria-expanded", open);
    document.getElementById(button.getAttribute("aria-controls")).hidden = !open;
  };
  for (const button of all(".opener")) {
    setOpen(button, false);
    // A click anywhere on the row opens it, unless it ends a selection of text.
    button.closest("tr").addEventListener("click", () => {
      if (getSelection().isCollapsed) setOpen(button, button.getAttribute("aria-expanded") !== "true");
    });
  }

  // The heat map is compared with the slowest backend of each row, or with the one that is chosen.
  const choice = one("#heat-choice");
  const heatRows = choice ? all("#heat tbody tr").map((row) => [...row.cells].slice(1)) : [];
  const digits = (value) => value.toPrecision(Math.max(2, Math.ceil(Math.log10(value) + 1e-9)));
  const hottest = choice && Number(one("#heat").dataset.hottest);
  const heatOf = (speedUp) => Math.round(100 * Math.min(1, Math.max(0, Math.log2(speedUp) / Math.log2(hottest))));
  const paint = () => {
    one("#heat-base").textContent = choice.selectedIndex ? choice.selectedOptions[0].textContent : "the slowest";
    for (const fields of heatRows) {
      const seconds = fields.map((field) => field.dataset.seconds && Number(field.dataset.seconds));
      const base = choice.value === "" ? seconds.indexOf(Math.max(...seconds.filter(Boolean))) : Number(choice.value);
      fields.forEach((field, at) => {
        if (!seconds[at]) return;
        const speedUp = seconds[base] && seconds[base] / seconds[at];
        const ties = field.dataset.ties.split(" ").map(Number);
        field.removeAttribute("title");
        field.textContent = speedUp ? `${digits(speedUp)}x` : "";
        field.classList.toggle("tie", Boolean(speedUp) && at !== base && ties.includes(base));
        field.style.setProperty("--heat", `${speedUp ? heatOf(speedUp) : 0}%`);
      });
    }
  };
  if (choice) {
    choice.parentElement.hidden = false;
    choice.addEventListener("change", paint);
  }

  // Tables are sorted by what an entry stands for, and by its text where it stands for no number; baselines stay last.
  const keyOf = (body, at) => {
    const entry = body.rows[0].cells[at];
    return entry.dataset.value === undefined ? entry.textContent.trim() : Number(entry.dataset.value);
  };
  const compare = (ours, theirs, direction) => {
    const missing = (key) => key === "" ? 1 : 0;
    if (missing(ours) || missing(theirs)) return missing(ours) - missing(theirs);
    if (typeof ours === "number" && typeof theirs === "number") return direction * (ours - theirs);
    if (typeof ours === "number") return -1;
    if (typeof theirs === "number") return 1;
    return direction * ours.localeCompare(theirs, undefined, { numeric: true });
  };
  const isRow = (body) => body.classList.contains("row");
  const tables = all("section > .scroll > table:not(.map)").map((table) => ({
    table,
    name: table.closest("section").id.replace("part", "sort"),
    headers: [...table.tHead.rows[0].cells],
    bodies: [...table.tBodies],
  }));
  const sortedBy = ({ headers }) => headers.find((header) => header.hasAttribute("aria-sort"));
  const sort = ({ table, headers, bodies }, by, direction) => {
    headers.forEach((header) => header.removeAttribute("aria-sort"));
    if (!by) return table.append(...bodies);
    by.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const at = headers.indexOf(by);
    const rows = [...table.tBodies].filter(isRow);
    rows.sort((ours, theirs) => compare(keyOf(ours, at), keyOf(theirs, at), direction));
    table.append(...rows, ...bodies.filter((body) => !isRow(body)));
  };
  for (const sortable of tables) {
    for (const header of sortable.headers) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.firstElementChild.childNodes);
      header.firstElementChild.append(button);
      button.addEventListener("click", () => {
        const first = header.dataset.first === "descending" ? -1 : 1;
        const now = { ascending: 1, descending: -1 }[header.getAttribute("aria-sort")];
        sort(sortable, header, now ? -now : first);
        remember();
      });
    }
  }

  // Rows are filtered. What is asked for, and how tables are sorted, stands in the address, so that it can be passed on:
  // the title of a column, with a minus before it where the sorting is descending.
  const form = one("#filters");
  const fields = [...form.elements].filter((field) => field.name);
  const words = new Map(all("tbody.row").map((body) =>
    [body, `${body.closest("section").querySelector("h2").textContent} ${body.rows[0].textContent}`.toLowerCase()]));
  const apply = () => {
    let shown = 0;
    const asked = fields.map((field) => [field.name, field.value.trim()]).filter(([, value]) => value);
    for (const [body, text] of words) {
      const fits = ([name, value]) =>
        name === "q" ? value.toLowerCase().split(/\s+/).every((word) => text.includes(word)) : body.dataset[name] === value;
      body.hidden = !asked.every(fits);
      shown += !body.hidden;
    }
    for (const part of all("main > section:not(#notes)")) {
      part.hidden = asked.length > 0 && !all("tbody.row", part).some((body) => !body.hidden);
    }
    one("#nothing").hidden = shown > 0 || words.size === 0;
    one("#shown").textContent = asked.length ? `${shown} of ${words.size} rows` : `${words.size} rows`;
    return asked;
  };
  const order = () => tables.flatMap((sortable) => {
    const by = sortedBy(sortable);
    const minus = by?.getAttribute("aria-sort") === "descending" ? "-" : "";
    return by ? [[sortable.name, minus + by.textContent.trim()]] : [];
  });
  const remember = () => {
    const asked = new URLSearchParams([...apply(), ...order()]).toString();
    try { history.replaceState(null, "", asked ? `#?${asked}` : location.pathname + location.search); } catch { /* a file */ }
  };
  const recall = () => {
    if (location.hash && !location.hash.startsWith("#?")) return;
    const asked = new URLSearchParams(location.hash.slice(2));
    for (const field of fields) field.value = asked.get(field.name) ?? "";
    for (const sortable of tables) {
      const [, minus, title] = /^(-?)(.*)$/s.exec(asked.get(sortable.name) ?? "");
      const by = sortable.headers.find((header) => header.textContent.trim() === title);
      if (by || sortedBy(sortable)) sort(sortable, by, minus ? -1 : 1);
    }
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", remember);
  form.addEventListener("reset", () => setTimeout(remember));
  window.addEventListener("hashchange", () => { recall(); apply(); });
  form.hidden = false;
  recall();
  apply();

  // Links within the page go there without taking the place of what is asked for in the address.
  for (const link of all("a[href^='#']")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const place = document.getElementById(link.hash.slice(1));
      place.tabIndex = -1;
      place.focus({ preventScroll: true });
      place.scrollIntoView();
    });
  }

  // Light and dark: what the system has, until somebody chooses.
  const root = document.documentElement;
  const toggle = one("#theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  const label = () => { toggle.textContent = isDark() ? "Light" : "Dark"; };
  try { root.dataset.theme = localStorage.getItem("lstm-bench-theme") ?? ""; } catch { /* not for files everywhere */ }
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("lstm-bench-theme", root.dataset.theme); } catch { /* likewise */ }
    label();
  });
  system.addEventListener("change", label);
  toggle.hidden = false;
  label();

  // Attempts are unpacked when the first of them is asked for.
  let unpacked;
  const unpack = async () => {
    const bytes = Uint8Array.from(atob(one("#packed").textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Map((await new Response(stream).json()).map((attempt) => [attempt.id, attempt]));
  };
  const numbers = /\[\s+((?:-?[\d.eE+-]+|null)(?:,\s+(?:-?[\d.eE+-]+|null))*)\s+\]/g;
  const written = (attempt) =>
    JSON.stringify(attempt, null, 2).replace(numbers, (list) => list.replace(/\s+/g, " ").replace("[ ", "[").replace(" ]", "]"));
  const dialog = one("#raw");
  const show = async (id) => {
    let text;
    try {
      unpacked ??= unpack();
      const attempt = (await unpacked).get(id);
      text = attempt ? written(attempt) : "This attempt is not in the page; it is in the folder that the page was made of.";
    } catch (error) {
      unpacked = undefined;
      text = `The attempts cannot be unpacked: ${error}`;
    }
    one("#raw-title").textContent = `Attempt ${id}`;
    one("#raw-text").textContent = text;
    const save = one("#raw-save");
    if (save.href) URL.revokeObjectURL(save.href);
    save.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    save.download = `${id}.json`;
    dialog.showModal();
  };
  if ("DecompressionStream" in window) {
    for (const button of all("button.raw")) {
      button.hidden = false;
      button.addEventListener("click", () => show(button.dataset.id));
    }
  }
  one("#raw-close").addEventListener("click", () => dialog.close());
  const copy = one("#raw-copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(one("#raw-text").textContent);
      copy.textContent = "Copied";
    } catch { // not allowed for files everywhere
      getSelection().selectAllChildren(one("#raw-text"));
      copy.textContent = "Selected";
    }
    setTimeout(() => { copy.textContent = "Copy"; }, 2000);
  });
})();
