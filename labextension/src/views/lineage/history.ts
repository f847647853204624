/** Where one has been: as in a browser, going elsewhere forgets what was ahead. */
export interface History {
  ids: readonly string[];
  at: number;
}

export function visit(history: History, id: string): History {
  if (history.ids[history.at] === id) {
    return history;
  }
  const ids = [...history.ids.slice(0, history.at + 1), id];
  return { ids, at: ids.length - 1 };
}

export function move(history: History, by: -1 | 1): History {
  const at = history.at + by;
  return history.ids[at] === undefined ? history : { ...history, at };
}
