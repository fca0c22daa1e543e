// The theme, and the parts of the page in turn; one that fails says so and costs the others nothing.
const THEMES = { "": "as the system", light: "light", dark: "dark" };

function themeButton(button) {
  const read = () => { try { return localStorage.getItem("facesr-theme") || ""; } catch { return ""; } };
  const apply = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = "Theme: " + THEMES[theme];
  };
  let theme = read() in THEMES ? read() : "";
  apply(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    const names = Object.keys(THEMES);
    theme = names[(names.indexOf(theme) + 1) % names.length];
    apply(theme);
    try { localStorage.setItem("facesr-theme", theme); } catch { /* private windows keep nothing */ }
  });
}

function openLinkedRun() {
  const target = location.hash.startsWith("#run-") && document.getElementById(location.hash.slice(1));
  if (target) {
    target.open = true;
    target.scrollIntoView();
  }
}

function build(id, make) {
  const section = document.getElementById(id);
  if (!section) return;
  try {
    make(section);
  } catch (error) {
    section.append(el("p", { class: "note warn" }, "This part cannot be drawn: " + error.message));
  }
}

themeButton(document.getElementById("theme"));
const source = document.getElementById("data");
const page = source ? JSON.parse(source.textContent) : null;
if (page) {
  build("scores", (section) => sortable(section.querySelector("table")));
  build("cost", scatterChart);
  build("spread", spreadChart);
  build("compare", compareImages);
  build("subgroups", subgroupChart);
  window.addEventListener("hashchange", openLinkedRun);
  openLinkedRun();
  let narrow = window.innerWidth < 640;
  window.addEventListener("resize", () => {
    if (narrow !== window.innerWidth < 640) {
      narrow = !narrow;
      for (const draw of listeners) draw();
    }
  });
}
