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
    if (figure) Plotly.react(chart, figure.data, themed(figure.layout), options);
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

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.activeElement.classList.contains("hint")) document.activeElement.blur();
  });
  dark.addEventListener("change", drawAll);
  matchMedia("print").addEventListener("change", drawAll);
  drawAll();
})();
