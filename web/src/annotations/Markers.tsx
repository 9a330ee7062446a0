import { useEffect, useRef } from "react";

import type { SceneView } from "../viewer/SceneView";
import type { Draft, Note } from "./notes";
import styles from "./annotations.module.css";
import type { Annotating } from "./useAnnotating";

const REST_MS = 120;
const NEW = "";

/** A number over every annotated place of the model; those behind the surface are hollow. */
export function Markers({ view, annotating }: { view: SceneView; annotating: Annotating }) {
  const { notes, chosen, choose, draft } = annotating;
  const list = useRef<HTMLUListElement>(null);
  const drawn = drawnOf(notes.items, draft);
  useEffect(() => {
    const marks = () => [...(list.current?.children ?? [])] as HTMLElement[];
    let resting: ReturnType<typeof setTimeout> | undefined;
    const follow = () => {
      const places = view.placesOf(drawn.map(({ position }) => position));
      marks().forEach((mark, index) => {
        const at = places[index];
        mark.hidden = !at;
        if (at) mark.style.transform = `translate(${at.x}px, ${at.y}px)`;
      });
      clearTimeout(resting);
      resting = setTimeout(() => {
        marks().forEach((mark, index) => (mark.dataset.behind = String(drawn[index] ? view.hides(drawn[index].position) : false)));
      }, REST_MS);
    };
    follow();
    const end = view.onDraw(follow);
    return () => {
      end();
      clearTimeout(resting);
    };
  }, [view, drawn]);
  return (
    <ul className={styles.markers} ref={list}>
      {drawn.map((note, index) => (
        <li key={note.id} className={styles.marker}>
          <button
            type="button"
            className={styles.number}
            aria-pressed={note.id === chosen}
            aria-label={`${index + 1}: ${note.title}`}
            onClick={() => note.id !== NEW && choose(note.id === chosen ? null : note)}
          >
            {index + 1}
          </button>
          {note.id === chosen && (
            <bdi className={styles.title} aria-hidden="true">
              {note.title}
            </bdi>
          )}
        </li>
      ))}
    </ul>
  );
}

/** What is being written stands where it was put, and not yet where it was. */
function drawnOf(items: readonly Note[], draft: Draft | null): Note[] {
  if (draft?.id === null) return [...items, { ...draft, id: NEW }];
  return items.map((note) => (note.id === draft?.id ? { ...draft, id: note.id } : note));
}
