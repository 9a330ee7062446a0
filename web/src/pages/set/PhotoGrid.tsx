import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState, type RefObject } from "react";

import type { Schemas } from "../../api/client";
import { PhotoTile } from "./PhotoTile";
import styles from "./photos.module.css";

const TILE_PX = 150;
const ROWS_AHEAD = 3;

interface PhotoGridProps {
  setId: string;
  photos: Schemas["Photo"][];
  /** By the names of the photographs that have one. */
  masks: ReadonlyMap<string, Schemas["Photo"]>;
  labelledBy: string;
}

/** Tiles of which only those in sight are in the document, so that thousands scroll. */
export function PhotoGrid({ setId, photos, masks, labelledBy }: PhotoGridProps) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const columns = Math.max(2, Math.floor(width / TILE_PX));
  const tall = Math.round((width / columns) * 0.85) + 16;
  const rows = useVirtualizer({
    count: Math.ceil(photos.length / columns),
    getScrollElement: () => place.current,
    estimateSize: () => tall,
    overscan: ROWS_AHEAD,
    initialRect: { width: 0, height: 600 },
  });
  useEffect(() => rows.measure(), [rows, tall, columns]);
  const seen = rows.getVirtualItems().flatMap((row) =>
    photos.slice(row.index * columns, (row.index + 1) * columns).map((photo, column) => ({ photo, column, row })),
  );
  return (
    <div ref={place} className={`${styles.scroller} ${rows.options.count <= 3 ? styles.short : ""}`} tabIndex={0} role="group" aria-labelledby={labelledBy}>
      <ul className={styles.all} style={{ height: rows.getTotalSize() }}>
        {width > 0 &&
          seen.map(({ photo, column, row }) => (
            <li
              key={photo.id}
              className={styles.item}
              aria-setsize={photos.length}
              aria-posinset={row.index * columns + column + 1}
              style={{ width: width / columns, height: tall, transform: `translate(${(column * width) / columns}px, ${row.start}px)` }}
            >
              <PhotoTile setId={setId} photo={photo} mask={masks.get(photo.name)} />
            </li>
          ))}
      </ul>
    </div>
  );
}

/** How wide the content of an element is, as it changes. */
function useWidth(place: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [place]);
  return width;
}
