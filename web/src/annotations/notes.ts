import type { Point } from "../viewer/measures";

/** What is to be said of a place of a model. */
export interface Draft {
  /** Null of one that the service does not know yet. */
  id: string | null;
  title: string;
  text: string;
  position: Point;
}

export interface Note extends Draft {
  id: string;
}

/** The annotations of a model, and how they are changed by those who may. */
export interface Notes {
  items: readonly Note[];
  error: unknown;
  editing: { save: (draft: Draft) => Promise<unknown>; remove: (note: Note) => void } | null;
}

export const TITLE_LENGTH = 200;
export const TEXT_LENGTH = 4000;

/** As the service says them; a place has three coordinates. */
export function noteOf(said: { id: string; title: string; text: string; position_world: readonly number[] }): Note {
  const [x = 0, y = 0, z = 0] = said.position_world;
  return { id: said.id, title: said.title, text: said.text, position: [x, y, z] };
}
