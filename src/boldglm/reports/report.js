(function () {
  "use strict";
  var all = function () { return document.querySelectorAll("details"); };
  var setAll = function (open) { all().forEach(function (d) { d.open = open; }); };
  // a link into a folded section unfolds it
  var reveal = function () {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) { return; }
    for (var node = target; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") { node.open = true; }
    }
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  document.addEventListener("click", function (event) {
    var button = event.target.closest("button[data-fold]");
    if (button) { setAll(button.dataset.fold === "open"); }
    var link = event.target.closest("a[href^='#']");
    if (link && link.hash === location.hash) { reveal(); }
  });
  // paper cannot be unfolded
  var before = [];
  window.addEventListener("beforeprint", function () {
    before = Array.prototype.map.call(all(), function (d) { return d.open; });
    setAll(true);
  });
  window.addEventListener("afterprint", function () {
    all().forEach(function (d, i) { d.open = before[i]; });
  });
  document.documentElement.classList.add("scripted");
  if (location.hash) { reveal(); }
})();
