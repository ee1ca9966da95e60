/** Checks of a page as it stands, for tests; each gives a list of complaints. */
window.pageAudit = (() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });

  /** Any CSS colour as [red, green, blue, alpha]. */
  function parse(color) {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  }

  function over(top, bottom) {
    const alpha = top[3];
    return [0, 1, 2].map((i) => top[i] * alpha + bottom[i] * (1 - alpha)).concat(1);
  }

  function ground(node) {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      layers.push(parse(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  }

  function luminance(color) {
    const [red, green, blue] = color.slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  function contrast(one, other) {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  }

  function isVisible(node) {
    if (!node.checkVisibility({ visibilityProperty: true })) return false;
    if (node.closest(".visually-hidden, .skip, [inert]")) return false;
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  }

  function describe(node) {
    return `${node.tagName.toLowerCase()}#${node.id}.${node.className} "${node.textContent.trim().slice(0, 30)}"`;
  }

  /** Texts with less contrast than WCAG 2 AA asks for: 4.5, or 3 where they are large. */
  function lowContrast() {
    const complaints = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      const isText = walker.currentNode.textContent.trim() !== "";
      if (!isText || !isVisible(node) || node.closest(":disabled")) continue;
      const style = getComputedStyle(node);
      const back = ground(node);
      const ratio = contrast(over(parse(style.color), back), back);
      const size = parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      if (ratio < (isLarge ? 3 : 4.5)) complaints.push(`${ratio.toFixed(2)} ${describe(node)}`);
    }
    return complaints;
  }

  /** What reaches beyond the window's width. */
  function tooWide() {
    const width = document.documentElement.clientWidth;
    const isScrolled = document.documentElement.scrollWidth > width;
    const wide = [...document.querySelectorAll("body *")].filter((node) => {
      return isVisible(node) && node.getBoundingClientRect().right > width + 1;
    });
    return wide.map(describe).concat(isScrolled ? ["the page scrolls sideways"] : []);
  }

  /** Buttons, links and fields that are smaller than WCAG 2.2 AA asks for: 24 by 24. */
  function tooSmall() {
    const controls = [...document.querySelectorAll("button, input, textarea")].filter(isVisible);
    return controls
      .filter((node) => {
        const { width, height } = node.getBoundingClientRect();
        return width < 24 || height < 24;
      })
      .map(describe);
  }

  /** Whether the focused element shows that it is. */
  function focusIsShown() {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  }

  return { lowContrast, tooWide, tooSmall, focusIsShown, describe };
})();
