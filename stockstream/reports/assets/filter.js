(() => {
  "use strict";
  const input = document.getElementById("filter");
  if (!input) return;
  const rows = [...document.querySelectorAll(input.dataset.rows)].map((row) => [row, row.textContent.toLowerCase()]);
  const status = document.getElementById("matches");
  const apply = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      const match = words.every((word) => text.includes(word));
      row.hidden = !match;
      if (match) shown += 1;
    }
    status.textContent = words.length ? `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")}` : "";
  };
  input.closest(".search").hidden = false;
  input.addEventListener("input", apply);
  apply();
})();
