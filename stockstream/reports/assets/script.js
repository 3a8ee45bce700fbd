(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)").matches;
  const charts = [...document.querySelectorAll(".chart")];

  // The page's own colours and font, read when a figure is drawn, so that a figure follows light, dark and print.
  const themed = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { gridcolor: colour("--rule"), linecolor: colour("--rule"), zerolinecolor: colour("--muted"), automargin: true };
    const own = {
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { t: 36, ...layout.margin },
      font: { ...layout.font, family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--ink") },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--muted"), activecolor: colour("--link") },
      hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--muted"), font: { color: colour("--ink") } },
    };
    for (const name of new Set([...Object.keys(layout), "xaxis", "yaxis"])) {
      if (/^[xy]axis\d*$/.test(name)) own[name] = { ...axis, ...layout[name] };
    }
    if (coarse) own.dragmode = false; // a finger on a figure scrolls the page
    return own;
  };

  const draw = (chart) => {
    const figure = figures[chart.dataset.figure];
    const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]]; // none that would ask a server
    const options = { responsive: true, displaylogo: false, displayModeBar: coarse ? false : "hover", modeBarButtons: buttons };
    if (figure && chart.offsetParent) Plotly.react(chart, figure.data, themed(figure.layout), options); // none unseen
  };
  const drawAll = () => charts.forEach(draw);

  const choose = (select) => {
    const chart = document.getElementById(select.dataset.for);
    const captions = chart.parentElement.querySelectorAll("[data-caption]");
    for (const caption of captions) caption.hidden = caption.dataset.caption !== select.value;
    chart.dataset.figure = select.value;
    const label = select.selectedOptions[0].dataset.name;
    chart.setAttribute("aria-label", `Prices and trades of ${label}. ${figures[select.value].layout.meta.description}`);
  };
  for (const select of document.querySelectorAll("select[data-for]")) {
    select.addEventListener("change", () => { choose(select); draw(document.getElementById(select.dataset.for)); });
    choose(select);
  }

  // Tabs as the ARIA practices have them: one stop of the Tab key, arrows and Home and End inside.
  for (const list of document.querySelectorAll("[role=tablist]")) {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    const select = (chosen) => {
      for (const tab of tabs) {
        const panel = document.getElementById(tab.getAttribute("aria-controls"));
        tab.setAttribute("aria-selected", String(tab === chosen));
        tab.tabIndex = tab === chosen ? 0 : -1;
        panel.setAttribute("role", "tabpanel");
        panel.setAttribute("aria-labelledby", tab.id);
        panel.hidden = tab !== chosen;
        if (tab === chosen) panel.querySelectorAll(".chart").forEach(draw);
      }
    };
    list.addEventListener("click", (event) => { if (event.target.closest("[role=tab]")) select(event.target.closest("[role=tab]")); });
    list.addEventListener("keydown", (event) => {
      const at = tabs.indexOf(document.activeElement);
      const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
      if (at < 0 || next === undefined) return;
      event.preventDefault();
      const chosen = tabs.at(next % tabs.length);
      select(chosen);
      chosen.focus();
    });
    list.hidden = false;
    select(tabs[0]);
  }

  for (const button of document.querySelectorAll("button[data-log]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      figures[button.dataset.log].layout.yaxis.type = on ? "log" : "linear";
      for (const chart of charts) if (chart.dataset.figure === button.dataset.log) draw(chart);
    });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.activeElement.classList.contains("hint")) document.activeElement.blur();
  });
  dark.addEventListener("change", drawAll);
  matchMedia("print").addEventListener("change", (event) => {
    if (event.matches) for (const details of document.querySelectorAll("header details")) details.open = true;
    drawAll();
  });
  drawAll();
})();
