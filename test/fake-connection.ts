import type { Connection } from '../src/core/connection.js'
import { payloads } from '../src/core/frame.js'
import type { Frame } from './helper.js'

/** A connection without a socket: it keeps what it is told, and is as slow as a test says. */
export class FakeConnection implements Connection {
  open = true
  buffered = 0
  congested = false
  paused = false
  pings = 0
  terminated = false
  closedWith: number | null = null
  readonly writes: Buffer[] = []

  /** The text of each frame so far. */
  get texts (): string[] {
    return this.writes.flatMap(write => [...payloads(write)].map(String))
  }

  get frames (): Frame[] {
    return this.texts.map(text => JSON.parse(text) as Frame)
  }

  write (frames: Buffer): number {
    this.writes.push(frames)
    return this.buffered
  }

  ping (): void {
    this.pings++
  }

  pause (): void {
    this.paused = true
  }

  resume (): void {
    this.paused = false
  }

  close (code: number): void {
    this.open = false
    this.closedWith = code
  }

  terminate (): void {
    this.open = false
    this.terminated = true
  }
}
