(function () {
  "use strict";
  var all = function () { return document.querySelectorAll("details"); };
  var setAll = function (open) { all().forEach(function (d) { d.open = open; }); };
  var each = function (list, act) { Array.prototype.forEach.call(list, act); };
  // only contrasts whose names have all words of the search, in sections with the chosen tag
  var finder = document.querySelector(".finder"), opened = null;
  var sections = document.querySelectorAll("details.section");
  var find = function () {
    var field = finder.querySelector("input"), menu = finder.querySelector("select");
    var words = field.value.toLowerCase().split(/\s+/).filter(Boolean), tag = menu ? menu.value : "";
    var isActive = words.length > 0 || tag !== "", shown = 0, total = 0;
    opened = opened || Array.prototype.map.call(sections, function (d) { return d.open; });
    document.getElementById("content").classList.toggle("searching", words.length > 0);
    each(sections, function (section, i) {
      var fits = !tag || (section.dataset.tags || "").split("\n").indexOf(tag) >= 0, found = 0;
      each(section.querySelectorAll(".contrast"), function (contrast) {
        var name = contrast.querySelector("h3").textContent.toLowerCase();
        contrast.hidden = !fits || !words.every(function (word) { return name.indexOf(word) >= 0; });
        found += !contrast.hidden; total += 1;
      });
      section.hidden = isActive && (words.length ? !found : !fits);
      section.open = isActive ? !section.hidden : opened[i];
      shown += found;
    });
    each(document.querySelectorAll("nav a[href^='#s-']"), function (link) {
      var target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      link.parentNode.hidden = !!target.closest("[hidden]");
    });
    finder.querySelector("output").textContent = isActive ? shown + " of " + total + " contrasts" : "";
    if (!isActive) { opened = null; }
  };
  if (finder) {
    finder.addEventListener("input", find);
    finder.addEventListener("submit", function (event) { event.preventDefault(); });
  }
  // a link into a folded section unfolds it
  var reveal = function () {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) { return; }
    if (finder && target.closest("[hidden]")) { finder.reset(); find(); }
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
  if (finder) { find(); }  // what a browser kept in the field on reload
  if (location.hash) { reveal(); }
})();
