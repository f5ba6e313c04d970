/** Frames to start from, by what they show. */
export const TEMPLATES: Record<string, object> = {
  'Message to everybody': { type: 'message', data: 'Hello, all!' },
  'Message to a user': { type: 'message', to: 'bob', id: 'm1', data: { text: 'Hello, Bob!' } },
  'Message to rooms': { type: 'message', to: ['lobby'], data: 'Hello, lobby!' },
  Command: { type: 'command', to: 'bob', node: 'camera', action: 'start' },
  Event: { type: 'event', name: 'doorbell', to: ['lobby'], data: { pressed: true } },
  'Presence: publish': { type: 'presence', data: { status: 'away', mood: 'sunny' } },
  'Presence: probe': { type: 'presence', probe: true },
  'Join a room': { type: 'join', room: 'den', id: 'j1' },
  'Leave a room': { type: 'leave', room: 'den', id: 'l1' },
  Goodbye: { type: 'close' },
  'A faulty "to"': { type: 'message', to: '', id: 'm2' }
}
