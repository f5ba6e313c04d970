const KEY = 'symple-console'

/** The key that this tab has; it goes with the tab. */
export function loadKey (): string {
  try {
    return sessionStorage.getItem(KEY) ?? ''
  } catch {
    return ''
  }
}

export function saveKey (key: string): void {
  try {
    if (key === '') sessionStorage.removeItem(KEY)
    else sessionStorage.setItem(KEY, key)
  } catch {
    // Where storage is forbidden, it is asked for again when the page is loaded anew.
  }
}
