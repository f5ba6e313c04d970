import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import { startServer, type TestServer } from '../helper.js'
import type { Tabs } from './chromium.js'

/** What the browser says of each request that fails. */
export const FAILED = /Failed to load resource/

export const KEY = 'console-key-0123456789-0123456789'

export async function start (t: Test, env: Record<string, string> = {}): Promise<TestServer> {
  return await startServer(t, { SYMPLE_CONSOLE_KEY: KEY, ...env })
}

export async function signIn (page: Page, key = KEY): Promise<void> {
  await page.getByLabel('Key', { exact: true }).fill(key)
  await page.keyboard.press('Enter')
}

/** Opens the console in a new tab, and signs in. */
export async function enter (tabs: Tabs, origin: string): Promise<Page> {
  const page = await tabs.open(`${origin}/console`)
  await signIn(page)
  await page.getByRole('status').getByText('Live', { exact: true }).waitFor()
  return page
}

export async function search (page: Page, kind: 'User' | 'Room' | 'Id or address' | 'All peers', name = ''): Promise<void> {
  await page.getByLabel('Search by').selectOption(kind)
  if (name !== '') await page.getByLabel('User, room or id').fill(name)
  await page.getByRole('button', { name: 'Search' }).click()
}

/** A chart, by its title. */
export const chart = (page: Page, title: string) =>
  page.locator('figure').filter({ has: page.getByRole('heading', { name: title, exact: true }) })

/** The peers that are listed. */
export const rows = (page: Page) => page.locator('#peers tr')

/**
 * Has answers wait.
 *
 * @param asked is told of each request
 * @returns lets them through, and those that come
 */
export async function hold (page: Page, url: RegExp, asked: (url: string) => void): Promise<() => Promise<void>> {
  let letThrough = () => {}
  const released = new Promise<void>(resolve => { letThrough = resolve })
  const held = new Set<Promise<void>>()
  await page.route(url, route => {
    asked(route.request().url())
    held.add(released.then(async () => { await route.continue() }))
  })
  return async () => {
    letThrough()
    await Promise.all(held)
  }
}
