import type { ChartOptions } from './chart.js'
import { byteRate, bytes, count, percent, rate, time } from './format.js'
import type { Window } from './history.js'

const figure = (name: string) => (window: Window) => window.figure(name)
const sum = (a: string, b: string) => (window: Window) => {
  const others = window.figure(b)
  return window.figure(a).map((value, i) => value === null ? null : value + (others[i] ?? 0))
}
const perSecond = (name: string) => (window: Window) => window.rate(name)

/** What is shown of a node over time. */
export const CHARTS: readonly ChartOptions[] = [
  {
    title: 'Peers',
    hint: 'Online here, virtual ones too.',
    floor: 4,
    lines: [
      { label: 'peers', of: sum('peers', 'virtuals'), format: count },
      { label: 'users', of: figure('users'), format: count }
    ]
  },
  {
    title: 'Messages',
    hint: 'From clients, and to recipients.',
    floor: 1,
    lines: [
      { label: 'delivered', of: perSecond('deliveries'), format: rate },
      { label: 'received', of: perSecond('received'), format: rate }
    ]
  },
  {
    title: 'Handling time',
    hint: 'From reading to queued for all.',
    floor: 1e-5,
    lines: [
      { label: 'p99', of: figure('p99'), format: time },
      { label: 'median', of: figure('p50'), format: time }
    ]
  },
  {
    title: 'Connections',
    hint: 'Open now, and opened.',
    floor: 4,
    lines: [
      { label: 'open', of: figure('connections'), format: count },
      { label: 'opened', of: perSecond('opened'), format: rate }
    ]
  },
  {
    title: 'Rooms',
    hint: 'Ordinary ones with members here.',
    floor: 4,
    lines: [{ label: 'rooms', of: figure('rooms'), format: count }]
  },
  {
    title: 'Traffic',
    hint: 'Messages read, and frames written.',
    floor: 1024,
    base: 1024,
    lines: [
      { label: 'out', of: perSecond('bytesOut'), format: byteRate },
      { label: 'in', of: perSecond('bytesIn'), format: byteRate }
    ]
  },
  {
    title: 'Event loop',
    hint: 'How late it is at worst.',
    floor: 0.005,
    lines: [{ label: 'p99 delay', of: figure('delay'), format: time }]
  },
  {
    title: 'Processor',
    hint: 'Loop at work; all threads.',
    floor: 0.1,
    lines: [
      { label: 'loop', of: figure('busy'), format: percent },
      { label: 'process', of: figure('cpu'), format: percent }
    ]
  },
  {
    title: 'Memory',
    hint: 'And what waits for slow readers.',
    floor: 1024 * 1024,
    base: 1024,
    lines: [
      { label: 'resident', of: figure('rss'), format: bytes },
      { label: 'heap', of: figure('heap'), format: bytes },
      { label: 'unsent', of: figure('unsent'), format: bytes }
    ]
  }
]
