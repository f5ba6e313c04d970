/** What is there already, or comes later. Most of what is asked is answered at once, and then nothing waits. */
export type Later<T> = T | Promise<T>

/** Goes on with a value, at once where it is there. */
export function after<T, R> (value: Later<T>, next: (value: T) => Later<R>): Later<R> {
  return value instanceof Promise ? value.then(next) : next(value)
}

export function isPromiseLike (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Has code that is not ours do something, now or over time. @param failed is told where it fails, whenever that is */
export function attempt (act: () => unknown, failed: (error: unknown) => void): void {
  try {
    const result = act()
    if (isPromiseLike(result)) result.then(undefined, failed)
  } catch (error) {
    failed(error)
  }
}

/**
 * Waits for an answer that may never come. One that comes late is let go, whatever it is.
 *
 * @param seconds `Infinity`: for ever
 * @param late makes the error with which it rejects then
 */
export async function within<T> (answer: PromiseLike<T>, seconds: number, late: () => Error): Promise<T> {
  if (seconds === Infinity) return await answer
  return await new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => { reject(late()) }, seconds * 1000)
    timer.unref()
    Promise.resolve(answer).then(resolve, reject).finally(() => { clearTimeout(timer) })
  })
}
