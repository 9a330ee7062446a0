import type { DirectoryDropItem, DropItem } from "react-aria-components";

const WANTED = /\.(jpe?g|png|tiff?|webp|hei[cf]|zip|mp4|m4v|mov|avi|mkv|webm|3g[p2]|m2?ts|mpe?g|wmv)$/i;

export const ACCEPTED = [".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif", ".zip", "video/*"];

/** The files of what was dropped, folders opened. */
export async function filesOf(items: Iterable<DropItem>): Promise<File[]> {
  const found: File[] = [];
  for (const item of items) {
    if (item.kind === "file") found.push(await item.getFile());
    else if (item.kind === "directory") found.push(...(await filesBelow(item)));
  }
  return found;
}

async function filesBelow(folder: DirectoryDropItem): Promise<File[]> {
  const entries: DropItem[] = [];
  for await (const entry of folder.getEntries()) entries.push(entry);
  return filesOf(entries);
}

/** Photographs, archives and videos by their names, and how many others there were. */
export function chosen(files: Iterable<File>): { files: File[]; ignored: number } {
  const all = [...files].filter((file) => !file.name.startsWith("."));
  const good = all.filter((file) => WANTED.test(file.name));
  return { files: good, ignored: all.length - good.length };
}
