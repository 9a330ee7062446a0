/**
 * The address that opens a model in the viewer of Android, which loads it itself: without our headers, so without a
 * password (https://developers.google.com/ar/develop/scene-viewer).
 */
export function sceneViewerLink(file: URL, title: string, fallback: string): string {
  const query = new URLSearchParams({ file: file.href, mode: "ar_preferred", title });
  const intent = [
    "scheme=https",
    "package=com.google.android.googlequicksearchbox",
    "action=android.intent.action.VIEW",
    `S.browser_fallback_url=${encodeURIComponent(fallback)}`,
  ];
  return `intent://arvr.google.com/scene-viewer/1.0?${query}#Intent;${intent.join(";")};end;`;
}

/** Whether this is a phone that has such a viewer. */
export const hasSceneViewer = (agent: string, protocol: string): boolean => /Android.*Chrome\//.test(agent) && protocol === "https:";
