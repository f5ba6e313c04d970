/** What must not happen. A run with any of these has failed. */
export class Faults {
  /** Passed over: a later one of the same sender has come. */
  lost = 0
  /** Has not come at all when everything has fallen silent. */
  undelivered = 0
  duplicated = 0
  reordered = 0
  /** Presence of a peer that was known already. */
  duplicatedPresence = 0
  /** Came to somebody whom it was not for, or was never sent. */
  misrouted = 0
  /** Came back to its sender. */
  echoed = 0
  /** Not the bytes that were sent. */
  damaged = 0
  /** Frames that have no place here, such as errors. */
  unexpected = 0
  /** Peers that the server cut off. */
  disconnected = 0
  /** The first such frame, or the reason of the first end. */
  detail = undefined

  /** In words; null: there are none. */
  describe () {
    const counts = Object.entries(this).filter(([, count]) => count > 0).map(([name, count]) => `${count} ${name}`)
    if (counts.length === 0) return null
    return counts.join(', ') + (this.detail === undefined ? '' : ` (${this.detail})`)
  }
}

/** An inbox that takes note of faults, and counts presence. Scenarios add what they want to know. */
export class Inbox {
  faults = new Faults()
  presences = 0

  message () {
    this.faults.misrouted++
  }

  presence () {
    this.presences++
  }

  unexpected (_client, text) {
    this.faults.unexpected++
    this.faults.detail ??= text.slice(0, 120)
  }

  closed (client, reason) {
    this.faults.disconnected++
    this.faults.detail ??= `${client.user} ${reason}`
  }
}
