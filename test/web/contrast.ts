// Text that is hard to read: the contrast of every visible piece of text with what is behind it (WCAG 2.2, success criterion
// 1.4.3: 4.5 to 1, for large text 3 to 1).

import type { Page } from "playwright-core";

/** A line for each pair of colours that is too close, with a text that has it. */
export function lowContrast(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    type Colour = readonly [red: number, green: number, blue: number, alpha: number];
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })!;

    /** Any CSS colour, as the browser paints it. */
    function painted(css: string): Colour {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = css;
      canvas.fillRect(0, 0, 1, 1);
      const [red = 0, green = 0, blue = 0, alpha = 0] = canvas.getImageData(0, 0, 1, 1).data;
      return [red, green, blue, alpha / 255];
    }

    function over(front: Colour, back: Colour): Colour {
      const mixed = (channel: 0 | 1 | 2) => front[channel] * front[3] + back[channel] * (1 - front[3]);
      return [mixed(0), mixed(1), mixed(2), 1];
    }

    function backgroundOf(element: Element): Colour {
      const own = painted(getComputedStyle(element).backgroundColor);
      if (own[3] === 1) return own;
      return over(own, element.parentElement === null ? [255, 255, 255, 1] : backgroundOf(element.parentElement));
    }

    function luminance([red, green, blue]: Colour): number {
      const linear = (channel: number) => {
        const value = channel / 255;
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
      };
      return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    }

    function contrast(a: Colour, b: Colour): number {
      const [darker = 0, lighter = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
      return (lighter + 0.05) / (darker + 0.05);
    }

    function isRead(element: Element): boolean {
      return (
        element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
        !element.matches(":disabled, :disabled *")
      );
    }

    const found = new Map<string, string>();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
      const text = node.textContent?.trim() ?? "";
      const element = node.parentElement;
      if (text === "" || element === null || !isRead(element)) continue;
      const style = getComputedStyle(element);
      const size = parseFloat(style.fontSize);
      const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
      const background = backgroundOf(element);
      const ratio = contrast(over(painted(style.color), background), background);
      if (ratio >= needed) continue;
      const colours = `${style.color} on ${background.slice(0, 3).map(Math.round).join(" ")}`;
      found.set(colours, `${colours}: ${ratio.toFixed(2)} of ${needed}, "${text.slice(0, 40)}"`);
    }
    return [...found.values()];
  });
}
