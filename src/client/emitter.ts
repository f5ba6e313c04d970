type Listener<Value> = (value: Value) => void

/** Typed events: `Events` maps each name to what its listeners get. */
export class Emitter<Events extends object> {
  readonly #listeners: { [Name in keyof Events]?: Set<Listener<Events[Name]>> } = {}

  /** @returns a function that takes the listener away again */
  on<Name extends keyof Events> (name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.#listeners[name] ??= new Set()
    listeners.add(listener)
    return () => { listeners.delete(listener) }
  }

  /** Whether anybody listens. */
  has (name: keyof Events): boolean {
    return (this.#listeners[name]?.size ?? 0) > 0
  }

  /** Calls all listeners. What one throws is reported as uncaught; the others are called all the same. */
  emit<Name extends keyof Events> (name: Name, value: Events[Name]): void {
    for (const listener of [...this.#listeners[name] ?? []]) {
      try {
        listener(value)
      } catch (error) {
        queueMicrotask(() => { throw error })
      }
    }
  }
}
