import type { Page } from 'playwright-core'
import type { Tabs } from './chromium.js'

/** Where a browser finds the server of a WebSocket. */
export const httpOf = (url: string) => url.replace(/^ws/, 'http')

/** The field that has a label. */
export const field = (page: Page, label: string) => page.locator('input').and(page.getByLabel(label, { exact: true }))

/** Fills fields, by their labels. */
export async function fill (page: Page, fields: Record<string, string>): Promise<void> {
  for (const [label, value] of Object.entries(fields)) await field(page, label).fill(value)
}

/** Opens a tab and connects in it. */
export async function enter (tabs: Tabs, url: string, user: string, rooms = 'lobby'): Promise<Page> {
  const page = await tabs.open(httpOf(url))
  await fill(page, { User: user, Rooms: rooms })
  await page.getByRole('button', { name: 'Connect' }).click()
  await page.getByRole('status').getByText(`Online as ${user}`).waitFor()
  return page
}

/** Writes to one of those in the list. */
export async function write (page: Page, to: string, text: string): Promise<void> {
  // A room or user comes before a peer of that name. It is there as soon as its presence is.
  const option = page.locator('#to option').getByText(to, { exact: true }).first()
  await option.waitFor({ state: 'attached' })
  await page.locator('#to').selectOption(await option.getAttribute('value') ?? '')
  await page.locator('#text').fill(text)
  await page.locator('#text').press('Enter')
}

/** A line of the conversation. */
export const said = (page: Page, text: string) => page.locator('#chat .line').filter({ hasText: text })

/** The names in the list of people. */
export const people = async (page: Page) => await page.locator('#people b').allTextContents()
