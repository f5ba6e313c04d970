import type { WireFrame } from '../../client/index.js'

/** A frame as it was seen. */
export interface SeenFrame {
  readonly number: number
  readonly time: Date
  readonly direction: WireFrame['direction']
  readonly type: string
  /** What went over the wire, but for a token in it. */
  readonly text: string
}

export interface FrameFilter {
  readonly direction: 'all' | 'in' | 'out'
  /** What the text must contain, in any case; empty: anything. */
  readonly text: string
}

/** The last frames: so many of them, and so much of their text. */
export class FrameStore {
  readonly #maxFrames: number
  readonly #maxLength: number
  #frames: SeenFrame[] = []
  #length = 0
  #count = 0

  /** @param maxLength characters of all texts together */
  constructor (maxFrames = 500, maxLength = 2_000_000) {
    this.#maxFrames = maxFrames
    this.#maxLength = maxLength
  }

  /** The oldest first. */
  get frames (): readonly SeenFrame[] {
    return this.#frames
  }

  /** How many there were, with those that are forgotten. */
  get count (): number {
    return this.#count
  }

  add ({ direction, text, frame }: WireFrame, time: Date): void {
    const shown = withoutToken(text, frame)
    this.#frames.push({ number: ++this.#count, time, direction, type: frame?.type ?? 'no frame', text: shown })
    this.#length += shown.length
    while (this.#frames.length > this.#maxFrames || (this.#length > this.#maxLength && this.#frames.length > 1)) {
      this.#length -= this.#frames.shift()!.text.length
    }
  }

  clear (): void {
    this.#frames = []
    this.#length = 0
    this.#count = 0
  }
}

export function matches ({ direction, text }: SeenFrame, filter: FrameFilter): boolean {
  if (filter.direction !== 'all' && filter.direction !== direction) return false
  return text.toLowerCase().includes(filter.text.toLowerCase())
}

/** Frames are shown to whoever looks on, and end up in pictures. */
function withoutToken (text: string, frame: WireFrame['frame']): string {
  return frame?.['token'] === undefined ? text : JSON.stringify({ ...frame, token: '••••••' })
}
