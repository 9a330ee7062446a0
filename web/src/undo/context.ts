import { createContext, use, useSyncExternalStore } from "react";

import { Deletions, type DeletionState } from "./deletions";

export const DeletionsContext = createContext(new Deletions());

export function useDeletions(): [Deletions, DeletionState] {
  const deletions = use(DeletionsContext);
  return [deletions, useSyncExternalStore(deletions.subscribe, deletions.state)];
}

/** Those of some things that are not about to be deleted. */
export function useNotDeleted<T extends { id: string }>(items: readonly T[]): T[] {
  const [, { waiting }] = useDeletions();
  return items.filter(({ id }) => !waiting.some((each) => each.id === id));
}
