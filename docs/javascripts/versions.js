/* Which version of the documentation this is, and the others beside it: docs/build/versions.py lists
   them in a file above each version's folder. Where there is none, nothing is shown. */
(() => {
  const root = new URL("../../", document.currentScript.src);
  const here = document.currentScript.src.slice(root.href.length).split("/")[0];
  const list = document.createElement("script");
  list.src = new URL("versions.js", root).href;
  list.onload = () => {
    const choice = document.createElement("select");
    choice.id = "versions";
    choice.ariaLabel = "Version of the documentation";
    choice.style.cssText = "font: inherit; color: inherit; background: transparent; border: 0";
    for (const version of window.triplaneVersions) {
      const option = new Option(version, version, false, decodeURIComponent(here) === version);
      option.style.color = "initial";
      choice.add(option);
    }
    choice.onchange = () => {
      location.href = new URL(`${encodeURIComponent(choice.value)}/index.html`, root).href;
    };
    document.querySelector(".md-header__title")?.after(choice);
  };
  document.head.append(list);
})();
