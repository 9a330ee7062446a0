import { useEffect, useState } from "react";

import type { SceneView } from "../viewer/SceneView";
import type { Draft, Note, Notes } from "./notes";

export interface Annotating {
  on: boolean;
  toggle: (on: boolean) => void;
  notes: Notes;
  chosen: string | null;
  choose: (note: Note | null) => void;
  /** Whether the next press on the model says where the draft stands. */
  placing: boolean;
  place: (on: boolean) => void;
  pickMiddle: () => void;
  draft: Draft | null;
  setDraft: (draft: Draft | null) => void;
}

/** Titles and texts at places of a model: which is looked at, and what is being written. */
export function useAnnotating(view: SceneView | null, notes: Notes): Annotating {
  const [wished, toggle] = useState<boolean | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const [placing, place] = useState(false);
  const [draft, setDraft] = useState<Draft | null>(null);
  const on = wished ?? notes.items.length > 0;
  const pick = (at: { x: number; y: number } | null) => {
    const position = view?.pick(at);
    if (!position) return;
    place(false);
    setDraft((before) => (before ? { ...before, position } : { id: null, title: "", text: "", position }));
  };
  useEffect(() => {
    if (view && on && placing) return view.onTap(pick);
  }, [view, on, placing]);
  return {
    on,
    notes,
    chosen: on ? chosen : null,
    placing: on && placing,
    place,
    pickMiddle: () => pick(null),
    draft: on ? draft : null,
    setDraft(changed) {
      place(false);
      setDraft(changed);
    },
    toggle(wanted) {
      toggle(wanted);
      place(false);
      setDraft(null);
    },
    choose(note) {
      setChosen(note?.id ?? null);
      if (note) view?.turnTo(note.position);
    },
  };
}
