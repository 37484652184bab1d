// What scrolls sideways, wide tables and code, is reached by the keyboard too; each block of code has a name of its own.
const reach = () => {
  for (const part of document.querySelectorAll("pre > code, .md-typeset__scrollwrap, .md-typeset math")) {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  }
  document.querySelectorAll(".md-code__nav").forEach((nav, place) => nav.setAttribute("aria-label", `Code ${place + 1}`));
};
new MutationObserver(reach).observe(document.body, { childList: true, subtree: true });
addEventListener("resize", reach);
addEventListener("load", reach);
reach();
