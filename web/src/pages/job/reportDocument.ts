/**
 * Puts the report of a job below `place`, apart from the page's own styles. Its text is E2E3D's own, without scripts; the
 * policy of the page would refuse those, and styles in the text too, so that these go the way of constructed style sheets.
 */
export function putReport(place: HTMLElement, html: string, theme: string | undefined): void {
  const { text, css } = parted(html);
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(stylesFor(css, theme));
  const report = new DOMParser().parseFromString(text, "text/html");
  for (const element of report.querySelectorAll("script, iframe, object, embed")) element.remove();
  const root = place.shadowRoot ?? place.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet];
  root.replaceChildren(...report.body.childNodes);
  for (const element of root.querySelectorAll<HTMLElement>("[data-style]")) element.style.cssText = element.dataset.style ?? "";
}

/** The styles of a document, and its text without them and without landmarks, of which the page has its own. */
export function parted(html: string): { text: string; css: string } {
  const sheets = /<style>([^]*?)<\/style>/g;
  const css = [...html.matchAll(sheets)].map(([, content]) => content).join("\n");
  const text = html
    .replaceAll(sheets, "")
    .replaceAll(/(<[^<>]*\s)style="/g, '$1data-style="')
    .replaceAll("<main>", '<div class="main">')
    .replaceAll("<header ", "<div ")
    .replaceAll(/<\/(main|header)>/g, "</div>");
  return { text, css };
}

/** Styles of a whole document for one element of the page; a theme that was chosen stands instead of the device's. */
export function stylesFor(css: string, theme: string | undefined): string {
  const dark = theme === "dark" ? "all" : theme === "light" ? "not all" : "(prefers-color-scheme: dark)";
  return css
    .replaceAll(/:root\b/g, ":host")
    .replaceAll(/(^|[\s},])body(?=\s*\{)/g, "$1:host")
    .replaceAll(/(^|[\s},])main(?=\s*\{)/g, "$1.main")
    .replaceAll("(prefers-color-scheme: dark)", dark);
}
