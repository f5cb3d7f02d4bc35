// The one state of the page. A change is drawn in the next frame, however many there were.

export function makeStore(initial) {
  const store = { state: initial, listeners: [], changed: new Set(), waiting: false };
  return {
    get state() {
      return store.state;
    },
    listen(listener) {
      store.listeners.push(listener);
    },
    set(patch) {
      for (const [key, value] of Object.entries(patch)) {
        if (store.state[key] === value) continue;
        store.state[key] = value;
        store.changed.add(key);
      }
      if (store.waiting || !store.changed.size) return;
      store.waiting = true;
      requestAnimationFrame(() => {
        const changed = store.changed;
        store.changed = new Set();
        store.waiting = false;
        for (const listener of store.listeners) listener(store.state, changed);
      });
    },
  };
}
