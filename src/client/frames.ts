/** What JSON can hold. */
export type Json = null | boolean | number | string | Json[] | JsonObject

/** An object of JSON. */
export interface JsonObject { [key: string]: Json }

/** A frame of the protocol: every frame has a type, all else depends on it. */
export interface Frame extends JsonObject {
  /** What it is, such as `message`. */
  type: string
}

/** To whom a frame goes: a name, an address (`user|id`), an id, or rooms; null or undefined: everybody nearby. */
export type To = string | string[] | null | undefined

/** What the server says of a peer, with whatever that peer has published about itself. */
export interface Peer extends JsonObject {
  /** Of its connection alone. */
  id: string
  /** The identity behind it, and maybe behind other peers. */
  user: string
  /** What people see. */
  name: string
  /** False once it has gone, or is no longer visible. */
  online: boolean
}

/** A frame of another peer, or of a backend. */
export interface Routed extends Frame {
  /** All that is handed on from peer to peer. */
  type: 'message' | 'command' | 'event' | 'presence'
}

/** How the server has let us in. */
export interface Welcome {
  /** Who we are. */
  peer: Peer
  /** The rooms that the peer is in, its personal room first. */
  rooms: string[]
}

/** What the server does not do for us. */
export interface Fault {
  /** As an HTTP status: PROTOCOL.md §8. */
  status: number
  /** What is wrong, for people. */
  message: string
  /** Of the frame that it answers, if that had one. */
  id?: Json
}

/** Reads what came over the socket; undefined: no frame, or one of another protocol. */
export function parseFrame (text: string): Frame | undefined {
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch {
    return undefined
  }
  return isObject(value) && typeof value['type'] === 'string' ? value as Frame : undefined
}

/** Whether it is an object of JSON, and no array. */
export function isObject (value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether it is what the server says of peers. */
export function isPeer (value: Json | undefined): value is Peer {
  return isObject(value) && typeof value['id'] === 'string' && typeof value['user'] === 'string' &&
    typeof value['name'] === 'string' && typeof value['online'] === 'boolean'
}

/** @returns undefined for a welcome that does not say who we are */
export function welcomeOf (frame: Frame): Welcome | undefined {
  const { peer, rooms } = frame
  if (!isPeer(peer) || !Array.isArray(rooms)) return undefined
  return { peer, rooms: rooms.filter(room => typeof room === 'string') }
}

export function faultOf (frame: Frame): Fault {
  const { status, message, id } = frame
  return {
    status: typeof status === 'number' ? status : 0,
    message: typeof message === 'string' ? message : '',
    ...(id !== undefined && { id })
  }
}

/** The string that names one peer. */
export function addressOf (peer: Peer): string {
  return `${peer.user}|${peer.id}`
}
