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
  // a page that was opened from a disk may have no clipboard, but can copy what is selected
  var copySelected = function (text) {
    var field = document.createElement("textarea");
    field.value = text;
    field.style.cssText = "position:fixed;opacity:0";
    document.body.appendChild(field);
    field.select();
    var done = false;
    try { done = document.execCommand("copy"); } finally { field.remove(); }
    return done;
  };
  document.addEventListener("click", function (event) {
    var button = event.target.closest("button[data-copy]");
    if (!button) { return; }
    var text = document.getElementById(button.dataset.copy).textContent;
    var say = function (done) {
      document.getElementById("copied").textContent = done ? "Copied." : "This browser does not allow copying. Select the text below.";
    };
    var other = function () { say(copySelected(text)); button.focus(); };
    if (!navigator.clipboard) { other(); return; }
    navigator.clipboard.writeText(text).then(function () { say(true); }, other);
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
